"""The wrapper script under a POSIX shell, with nothing on its PATH: what the runtime is started with.

The paths below /opt are those of the script, so they are replaced by a folder of the test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "build" / "datadog_wrapper"
SHELLS = [[path] for name in ("dash", "bash", "mksh") if (path := shutil.which(name))]
SHELLS += [[path, "sh"] for name in ("busybox",) if (path := shutil.which(name))]
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"

PROFILERS = (
    "datadog/linux-x64/Datadog.Trace.ClrProfiler.Native.so",
    "datadog/linux-arm64/Datadog.Trace.ClrProfiler.Native.so",
    "datadog/linux-x64/Datadog.Tracer.Native.so",
    "datadog/linux-arm64/Datadog.Tracer.Native.so",
    "datadog/Datadog.Trace.ClrProfiler.Native.so",
)
DOTNET = {
    "CORECLR_ENABLE_PROFILING": "1", "CORECLR_PROFILER": "{846F5F1C-F9AE-4B07-969E-05C26BC060D8}",
    "DD_DOTNET_TRACER_HOME": "/opt/datadog", "DD_TRACE_STARTUP_LOGS": "0", "DD_CIVISIBILITY_ENABLED": "0",
    "DD_TRACE_STATS_COMPUTATION_ENABLED": "false",
}  # fmt: skip
JAVA = {
    "DD_JMXFETCH_ENABLED": "false", "DD_RUNTIME_METRICS_ENABLED": "false", "DD_REMOTE_CONFIG_ENABLED": "false",
    "DD_APPSEC_ENABLED": "false", "DD_TRACE_STATS_COMPUTATION_ENABLED": "false",
}  # fmt: skip
STATS = {"DD_TRACE_STATS_COMPUTATION_ENABLED": "false"}
PROXY = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9000"}
APPSEC = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "true", "DD_TRACE_TELEMETRY_ENABLED": "true", "DD_TRACE_ENABLED": "true",
}  # fmt: skip


@pytest.fixture(params=SHELLS, ids=lambda shell: Path(shell[0]).name)
def wrap(request, tmp_path):
    """`wrap(environ, *arguments)`: (arguments after the interpreter, variables beyond the given, lines before)."""
    script = tmp_path / "datadog_wrapper"
    script.write_text(SCRIPT.read_text().replace("/opt/", f"{tmp_path}/opt/"))

    def run(environ: dict[str, str], *arguments: str):
        command = [*request.param, str(script), sys.executable, "-c", SHOW, *arguments]
        result = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20)
        assert result.stderr == ""
        *before, shown = result.stdout.splitlines()
        assert all(line.startswith("[datadog-wrapper] ") for line in before)
        seen_arguments, seen = json.loads(shown)
        shell_own = ("_", "PWD", "SHLVL", "OLDPWD", "LC_CTYPE")
        changed = {name: value for name, value in seen.items() if environ.get(name) != value and name not in shell_own}
        return seen_arguments, changed, before

    return run


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, STATS),
        ({"DD_TRACE_STATS_COMPUTATION_ENABLED": "true"}, {}),
        ({"DD_EXPERIMENTAL_ENABLE_PROXY": "true", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, {**STATS, **PROXY}),
        ({"DD_EXPERIMENTAL_ENABLE_PROXY": "True", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, STATS),
        ({"DD_EXPERIMENTAL_ENABLE_PROXY": "1"}, STATS),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "true"}, {**STATS, **PROXY, **APPSEC}),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "TRUE"}, {**STATS, **PROXY, **APPSEC}),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "T"}, {**STATS, **PROXY, **APPSEC}),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "1"}, {**STATS, **PROXY, **APPSEC}),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "yes"}, STATS),
        ({"DD_SERVERLESS_APPSEC_ENABLED": "0"}, STATS),
        (
            {
                "DD_SERVERLESS_APPSEC_ENABLED": "1",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
                "DD_TRACE_ENABLED": "0",
            },
            {**STATS, **PROXY, "DD_TRACE_TELEMETRY_ENABLED": "true", "DD_TRACE_ENABLED": "true"},
        ),
        ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}, STATS),
    ],
)
def test_settings_of_the_function_become_settings_of_the_tracer(wrap, environ, expected):
    arguments, changed, before = wrap(environ, "first", "second")
    assert (arguments, changed, before) == (["first", "second"], expected, [])


def test_arguments_pass_through_as_they_are(wrap):
    odd = ["a b", "", "*", "$HOME", "it's", 'quo"te', "-n", "\\n", "--"]
    arguments, _, _ = wrap({}, *odd)
    assert arguments == odd


def test_debug_lines_carry_the_wrappers_prefix(wrap):
    arguments, _, before = wrap({"DD_LOG_LEVEL": "DeBuG", "DD_EXPERIMENTAL_ENABLE_PROXY": "true"}, "x")
    assert arguments == ["x"]
    assert len(before) == 1


@pytest.mark.parametrize("present", range(len(PROFILERS)))
def test_dotnet_takes_the_first_profiler_that_exists(wrap, tmp_path, present):
    for profiler in PROFILERS[present:]:
        path = tmp_path / "opt" / profiler
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _, changed, before = wrap({"AWS_EXECUTION_ENV": "AWS_Lambda_dotnet8"})
    home = {
        "DD_DOTNET_TRACER_HOME": f"{tmp_path}/opt/datadog",
        "CORECLR_PROFILER_PATH": f"{tmp_path}/opt/{PROFILERS[present]}",
    }
    assert changed == {**DOTNET, **home}
    assert before == []


def test_dotnet_without_a_profiler_warns_and_goes_on(wrap, tmp_path):
    _, changed, before = wrap({"AWS_EXECUTION_ENV": "AWS_Lambda_dotnet8"})
    assert changed == {**DOTNET, "DD_DOTNET_TRACER_HOME": f"{tmp_path}/opt/datadog"}
    assert len(before) == 1


def test_dotnet_keeps_what_the_user_set(wrap):
    own = {
        "CORECLR_PROFILER_PATH": "/p.so", "CORECLR_ENABLE_PROFILING": "0", "CORECLR_PROFILER": "{x}",
        "DD_DOTNET_TRACER_HOME": "/home", "DD_TRACE_STARTUP_LOGS": "1", "DD_CIVISIBILITY_ENABLED": "1",
    }  # fmt: skip
    _, changed, before = wrap({"AWS_EXECUTION_ENV": "AWS_Lambda_dotnet8", **own})
    assert (changed, before) == (STATS, [])


@pytest.fixture
def java_agent(tmp_path) -> str:
    path = tmp_path / "opt" / "java" / "lib" / "dd-java-agent.jar"
    path.parent.mkdir(parents=True)
    path.touch()
    return f"-javaagent:{path}"


def test_java_gets_its_agent_behind_the_executable(tmp_path, java_agent):
    """The executable here is a script that shows its arguments, since Java's options would mean nothing to Python."""
    script = tmp_path / "datadog_wrapper"
    script.write_text(SCRIPT.read_text().replace("/opt/", f"{tmp_path}/opt/"))
    show = tmp_path / "java"
    show.write_text('#!/bin/sh\nfor argument in "$@"; do printf "%s\\n" "$argument"; done\nenv\n')
    show.chmod(0o755)
    environ = {"AWS_EXECUTION_ENV": "AWS_Lambda_java21", "PATH": "/usr/bin:/bin"}
    for shell in SHELLS:
        result = subprocess.run(
            [*shell, str(script), str(show), "-Xmx1g", "-XX:-TieredCompilation", "-cp", "a b", "Main"],
            env=environ, capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines = result.stdout.splitlines()
        assert lines[:6] == [java_agent, "-XX:TieredStopAtLevel=1", "-Xmx1g", "-cp", "a b", "Main"]
        assert {f"{name}={value}" for name, value in JAVA.items()} <= set(lines[6:])


def test_java_without_the_agent_is_left_alone(wrap):
    arguments, changed, _ = wrap({"AWS_EXECUTION_ENV": "AWS_Lambda_java21"}, "-XX:-TieredCompilation", "Main")
    assert arguments == ["-XX:-TieredCompilation", "Main"]
    assert changed == STATS


def test_another_wrapper_gets_the_command_line_and_the_settings(wrap, tmp_path):
    """It is named once: if that is this script again, it ends with the function all the same."""
    other = tmp_path / "other wrapper"
    other.write_text('#!/bin/sh\nexport OTHER="$1"\nexec "$@"\n')
    other.chmod(0o755)
    environ = {"THIMBLE_EXEC_WRAPPER_NEXT": str(other)}
    arguments, changed, before = wrap(environ, "a b", "")
    assert arguments == ["a b", ""]
    assert changed == {**STATS, "OTHER": sys.executable}
    assert before == []


def test_another_wrapper_is_named_once(wrap, tmp_path):
    environ = {"THIMBLE_EXEC_WRAPPER_NEXT": str(tmp_path / "datadog_wrapper")}
    (tmp_path / "datadog_wrapper").chmod(0o755)
    assert wrap(environ, "x") == (["x"], STATS, [])


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_another_wrapper_that_cannot_run_is_left_out_with_a_line(wrap, tmp_path, kind):
    other = tmp_path / "other"
    if kind == "folder":
        other.mkdir()
    elif kind == "not executable":
        other.write_text("#!/bin/sh\nexit 1\n")
    arguments, changed, before = wrap({"THIMBLE_EXEC_WRAPPER_NEXT": str(other)}, "x")
    assert (arguments, changed) == (["x"], STATS)
    assert len(before) == 1
    assert str(other) in before[0]
