// Go's net/http, as a client of our server or as a server for our client. Only the standard library.
//
//	peer client http://127.0.0.1:PORT      prints one JSON object: what each request was answered
//	peer server [KEY.pem CERTIFICATE.pem]  prints the port, serves until its input ends
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"time"
)

type result struct {
	Status    int    `json:"status"`
	Size      int    `json:"size"`
	Digest    string `json:"digest"`
	Continued bool   `json:"continued"`
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func client(url string) {
	connections := 0
	transport := &http.Transport{
		MaxConnsPerHost:       1,
		ExpectContinueTimeout: 20 * time.Second,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connections++
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	web := &http.Client{Transport: transport}
	ask := func(method, path string, body io.Reader, expects bool) result {
		var found result
		request, err := http.NewRequest(method, url+path, body)
		must(err)
		if expects {
			request.Header.Set("Expect", "100-continue")
		}
		trace := &httptrace.ClientTrace{Got100Continue: func() { found.Continued = true }}
		answer, err := web.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		must(err)
		data, err := io.ReadAll(answer.Body)
		must(err)
		must(answer.Body.Close())
		found.Status, found.Size, found.Digest = answer.StatusCode, len(data), digest(data)
		return found
	}
	pieces := func() io.Reader {
		reader, writer := io.Pipe()
		go func() {
			for index := 0; index < 1000; index++ {
				fmt.Fprintf(writer, "piece %d;", index)
			}
			writer.Close()
		}()
		return reader
	}
	big := bytes.Repeat([]byte("abcdefghij"), 500_000)
	results := map[string]result{}
	results["get"] = ask("GET", "/a", nil, false)
	results["head"] = ask("HEAD", "/a", nil, false)
	results["length"] = ask("POST", "/a", strings.NewReader("hello"), false)
	results["chunked"] = ask("POST", "/a", pieces(), false)
	results["expect"] = ask("POST", "/a", strings.NewReader("hello"), true)
	results["big"] = ask("PUT", "/a", bytes.NewReader(big), false)
	results["small"] = ask("POST", "/small", bytes.NewReader(big), false)
	results["close"] = ask("GET", "/close", nil, false)
	results["after"] = ask("GET", "/a", nil, false)
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{"results": results, "connections": connections}))
}

func answer(response http.ResponseWriter, request *http.Request) {
	count, err := strconv.Atoi(request.URL.Query().Get("n"))
	if err != nil {
		count = 1
	}
	hijack := func(text string) {
		connection, _, err := response.(http.Hijacker).Hijack()
		must(err)
		io.WriteString(connection, text)
		connection.Close()
	}
	switch request.URL.Path {
	case "/refuse":
		response.Header().Set("Connection", "close")
		response.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(response, "too large")
		return
	case "/drop":
		hijack("")
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	switch request.URL.Path {
	case "/chunked":
		for index := 0; index < count; index++ {
			io.WriteString(response, "piece;")
			response.(http.Flusher).Flush()
		}
	case "/close":
		hijack("HTTP/1.0 200 OK\r\n\r\nthe end")
	case "/early":
		response.WriteHeader(http.StatusProcessing)
		response.WriteHeader(http.StatusEarlyHints)
		io.WriteString(response, "late")
	case "/redirect":
		http.Redirect(response, request, "/elsewhere", http.StatusTemporaryRedirect)
	case "/slow":
		time.Sleep(time.Duration(count) * time.Millisecond)
		io.WriteString(response, "slow")
	case "/big":
		response.Header().Set("Content-Length", strconv.Itoa(count))
		response.Write(bytes.Repeat([]byte("b"), count))
	case "/status":
		response.WriteHeader(count)
		if count != 204 && count != 304 {
			fmt.Fprintf(response, "status %d", count)
		}
	case "/trailer":
		response.Header().Set("Trailer", "X-Sum")
		io.WriteString(response, "body")
		response.Header().Set("X-Sum", "1")
	case "/port":
		_, port, _ := net.SplitHostPort(request.RemoteAddr)
		time.Sleep(time.Duration(count) * time.Millisecond)
		io.WriteString(response, port)
	default:
		headers := map[string]string{"host": request.Host}
		for name := range request.Header {
			headers[strings.ToLower(name)] = request.Header.Get(name)
		}
		if request.ContentLength > 0 {
			headers["content-length"] = strconv.FormatInt(request.ContentLength, 10)
		}
		json.NewEncoder(response).Encode(map[string]any{
			"method": request.Method, "url": request.RequestURI, "digest": digest(body), "headers": headers,
		})
	}
}

func server(files []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	web := &http.Server{Handler: http.HandlerFunc(answer), ErrorLog: log.New(io.Discard, "", 0)}
	if len(files) == 2 {
		must(web.ServeTLS(listener, files[1], files[0]))
	}
	must(web.Serve(listener))
}

func main() {
	if os.Args[1] == "client" {
		client(os.Args[2])
		return
	}
	server(os.Args[2:])
}
