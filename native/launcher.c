/* The program that Lambda starts: /opt/extensions/datadog-agent.
 *
 * It executes the bundle next door through the bundle's own dynamic loader and C library,
 *
 *     <root>/thimble/lib/ld-linux-*.so --inhibit-cache --library-path <root>/thimble/lib <root>/thimble/thimble
 *
 * so one build runs on Amazon Linux, Debian, Alpine and an image with no C library at all. It is static and uses no
 * libc itself: nothing of the customer's image takes part, and it costs below 0.1 ms.
 *
 * The root is the folder above the launcher's own, read from AT_EXECFN in the auxiliary vector (no /proc needed), so a
 * layer tree also runs where it was built; if no bundle lies there, it is /opt.
 *
 * The environment is passed on without what would change the loader, libc, OpenSSL, Python or the bootloader inside
 * the extension (a customer sets LD_PRELOAD for the function, not for us), and with a few settings of our own; see
 * `dropped` and `settings`. All memory is one mmap sized from what was given: stack use does not grow with the
 * environment. If the program cannot be executed: one line on stderr, exit status 127.
 *
 * Source: System V ABI for x86-64 and AArch64 (process start, system calls); ld.so(8); PyInstaller 6.22.3, bootloader.
 */

#if defined(__x86_64__)
#define LOADER "ld-linux-x86-64.so.2"
enum { SYS_WRITE = 1, SYS_MMAP = 9, SYS_EXECVE = 59, SYS_EXIT = 60, SYS_GETCWD = 79, SYS_FACCESSAT = 269 };
#elif defined(__aarch64__)
#define LOADER "ld-linux-aarch64.so.1"
enum { SYS_WRITE = 64, SYS_MMAP = 222, SYS_EXECVE = 221, SYS_EXIT = 93, SYS_GETCWD = 17, SYS_FACCESSAT = 48 };
#else
#error "the launcher knows x86-64 and AArch64"
#endif

enum { AT_NULL = 0, AT_EXECFN = 31, AT_FDCWD = -100, X_OK = 1, PATH_BYTES_MAX = 4096, EXIT_NOT_STARTED = 127 };
enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22, ERRNO_MAX = 4095 };

typedef unsigned long word;

#define LIB "/thimble/lib"
#define PROGRAM "/thimble/thimble"
#define FALLBACK_ROOT "/opt"

/* Variables that do not reach the bundle; a name that ends with '*' is a prefix. */
static const char *const dropped[] = {
    "LD_*",           /* the loader: preloads, search paths, auditing, debugging output */
    "GLIBC_TUNABLES", /* libc: may change the allocator under us */
    "MALLOC_*",       /* libc: the same, older names */
    "LC_*",           /* locale files of the image; LC_ALL=C needs none */
    "LANG",           /* the same */
    "LANGUAGE",       /* the same */
    "TZ",             /* time zone files of the image; everything of ours is UTC */
    "PYTHON*",        /* the function's Python settings; the frozen one ignores them, this says so twice */
    "_PYI_*",         /* a function frozen by PyInstaller must not be taken for our parent */
    "PYINSTALLER_*",  /* the bootloader's own switches */
    "OPENSSL_*",      /* configuration file, engines and providers of the image's OpenSSL */
    "SSL_CERT_*",     /* the image's roots; ours come from the bundle or from a DD_ setting */
    0,
};

/* Set for the bundle. The `_PYI_` names are internals of the pinned bootloader: with them it neither looks for its
 * own path in /proc nor executes itself a second time (0.55 ms); a test counts the execve calls. */
static const char *const settings[] = {
    "LC_ALL=C",
    "TZ=:",                   /* UTC, and the one spelling for which libc opens no file */
    /* Freed small blocks that the thread cache keeps pin the end of the heap: 5.9 to 13.9 MB private after a flood of
     * 100,000 log lines, 4.4 without the cache, at the same CPU (Python has an allocator of its own for small ones). */
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=0",
    "OPENSSL_CONF=/dev/null", /* otherwise the compiled-in path of the build machine's distribution is read */
    "_PYI_PARENT_PROCESS_LEVEL=-1",
    "_PYI_LINUX_PROCESS_NAME=thimble", /* else the process would be called after the loader */
    0,
};

#define ARCHIVE "_PYI_ARCHIVE_FILE="
enum { SETTINGS_COUNT = sizeof settings / sizeof settings[0] }; /* its last slot serves ARCHIVE */

/* One system call; arguments that a call does not take are ignored by the kernel. Returns -errno on failure. */
static long sys(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}

static word length(const char *text)
{
    word count = 0;
    while (text[count])
        count++;
    return count;
}

/* Copy `text` with its final zero to `to`; returns where the zero lies, for the next piece. */
static char *append(char *to, const char *text)
{
    while ((*to = *text)) {
        to++;
        text++;
    }
    return to;
}

static _Noreturn void fail(const char *what, const char *path, long error)
{
    char line[3 * PATH_BYTES_MAX], number[24], *end = line, *digit = number + sizeof number;
    word value = (word)-error;
    *--digit = 0;
    do {
        *--digit = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    end = append(end, "DD_EXTENSION | ERROR | Thimble cannot start: ");
    end = append(end, what);
    end = append(end, path);
    end = append(end, ", errno ");
    end = append(end, digit);
    end = append(end, ".\n");
    sys(SYS_WRITE, 2, (long)line, end - line, 0, 0, 0);
    for (;;)
        sys(SYS_EXIT, EXIT_NOT_STARTED, 0, 0, 0, 0, 0);
}

static int is_dropped(const char *variable)
{
    for (const char *const *entry = dropped; *entry; entry++) {
        const char *name = *entry, *at = variable;
        while (*name && *name == *at) {
            name++;
            at++;
        }
        if (*name == '*' || (*name == 0 && *at == '='))
            return 1;
    }
    return 0;
}

/* Write the folder above the launcher's own to `root`; returns its end, or 0 if it cannot be told. */
static char *find_root(char *root, const char *launcher)
{
    char *end = root;
    if (!launcher || length(launcher) >= PATH_BYTES_MAX)
        return 0;
    if (launcher[0] != '/') {
        long size = sys(SYS_GETCWD, (long)root, PATH_BYTES_MAX, 0, 0, 0, 0);
        if (size <= 1 || root[0] != '/')
            return 0;
        end = append(root + size - 1, "/"); /* the size counts the final zero */
    }
    end = append(end, launcher);
    while (end[-1] != '/') /* the launcher's name; the text begins with '/' */
        end--;
    char *folder = end;
    while (folder > root && folder[-1] == '/')
        folder--;
    char *folder_end = folder;
    while (folder > root && folder[-1] != '/')
        folder--;
    if (folder == folder_end || *folder == '.') /* "/", "." or "..": let the kernel take the step */
        return append(end, "..");
    folder[-1] = 0; /* "/opt/extensions/datadog-agent" gives "/opt" */
    return folder - 1;
}

__attribute__((used)) _Noreturn void launch(word *stack)
{
    word count = stack[0], kept = 0, variables = 0;
    char **arguments = (char **)(stack + 1), **environment = arguments + count + 1;
    while (environment[variables])
        variables++;
    const char *launcher = 0;
    for (word *entry = (word *)(environment + variables + 1); entry[0] != AT_NULL; entry += 2)
        if (entry[0] == AT_EXECFN)
            launcher = (const char *)entry[1];

    /* One block: the new environment, the new arguments, then five texts of two paths' length each. */
    enum { FIXED_ARGUMENTS = 5, TEXT_BYTES = 2 * PATH_BYTES_MAX + 64, TEXTS = 5 };
    word pointers = variables + SETTINGS_COUNT + 1 + FIXED_ARGUMENTS + count + 1;
    long block = sys(SYS_MMAP, 0, (long)(pointers * sizeof(char *) + TEXTS * TEXT_BYTES), PROT_READ_WRITE,
                     MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (block < 0 && block >= -ERRNO_MAX)
        fail("no memory for its environment", "", block);
    char **new_environment = (char **)block;
    char **new_arguments = new_environment + variables + SETTINGS_COUNT + 1;
    char *root = (char *)(new_arguments + FIXED_ARGUMENTS + count + 1);
    char *loader = root + TEXT_BYTES, *lib = loader + TEXT_BYTES, *archive = lib + TEXT_BYTES;
    char *program = archive + sizeof ARCHIVE - 1;

    char *end = find_root(root, launcher);
    if (end) {
        append(append(program, root), PROGRAM);
        end = sys(SYS_FACCESSAT, AT_FDCWD, (long)program, X_OK, 0, 0, 0) == 0 ? end : 0;
    }
    if (!end)
        append(root, FALLBACK_ROOT);
    append(append(loader, root), LIB "/" LOADER);
    append(append(lib, root), LIB);
    append(append(append(archive, ARCHIVE), root), PROGRAM);

    for (word index = 0; index < variables; index++)
        if (!is_dropped(environment[index]))
            new_environment[kept++] = environment[index];
    for (word index = 0; settings[index]; index++)
        new_environment[kept++] = (char *)settings[index];
    new_environment[kept++] = archive;
    new_environment[kept] = 0;

    char **argument = new_arguments;
    *argument++ = loader;
    *argument++ = "--inhibit-cache";
    *argument++ = "--library-path";
    *argument++ = lib;
    *argument++ = program;
    for (word index = 1; index < count; index++)
        *argument++ = arguments[index];
    *argument = 0;

    fail("cannot execute ", loader, sys(SYS_EXECVE, (long)loader, (long)new_arguments, (long)new_environment, 0, 0, 0));
}

/* The kernel enters here with the argument count, arguments, environment and auxiliary vector on the stack. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call launch\n hlt\n");
#else
__asm__(".globl _start\n_start:\n mov x29, xzr\n mov x30, xzr\n mov x0, sp\n bl launch\n brk 0\n");
#endif
