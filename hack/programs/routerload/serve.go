package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const events = 20

// serve answers every POST with a completion of a fixed size, as a stream where "stream" stands in
// the beginning of the body. GET /count tells how many POSTs each address had.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "addresses to listen on, separated by commas")
	size := flags.Int("reply-bytes", 1024, "size of a reply's body")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	addresses := strings.Split(*listen, ",")
	counts := make([]atomic.Int64, len(addresses))
	var ends sync.WaitGroup
	for index, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		fmt.Println(listener.Addr())
		ends.Go(func() {
			accept(listener, &endpoint{reply: completion(*size), stream: stream(), counts: counts, own: index})
		})
	}
	ends.Wait()
	return nil
}

type endpoint struct {
	reply, stream []byte
	counts        []atomic.Int64
	own           int
}

func accept(listener net.Listener, to *endpoint) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go to.talk(connection)
	}
}

func (e *endpoint) talk(connection net.Conn) {
	defer connection.Close()
	from := bufio.NewReaderSize(connection, 64<<10)
	for {
		request, err := readHead(from)
		if err != nil {
			return
		}
		reply := e.reply
		if strings.HasPrefix(request.first, "GET ") {
			reply = e.told()
		} else {
			e.counts[e.own].Add(1)
			beginning, _ := from.Peek(min(max(request.length, 0), 256, from.Buffered()))
			if bytes.Contains(beginning, []byte(`"stream"`)) {
				reply = e.stream
			}
			if _, err = request.skipBody(from); err != nil {
				return
			}
		}
		if _, err = connection.Write(reply); err != nil {
			return
		}
	}
}

func (e *endpoint) told() []byte {
	words := make([]string, len(e.counts))
	for index := range e.counts {
		words[index] = strconv.FormatInt(e.counts[index].Load(), 10)
	}
	body := "[" + strings.Join(words, ",") + "]"
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", len(body), body)
}

func completion(size int) []byte {
	shell := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"%s"}}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}`
	body := fmt.Sprintf(shell, strings.Repeat("x", max(0, size-len(shell)+2)))
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", len(body), body)
}

func stream() []byte {
	var text bytes.Buffer
	text.WriteString("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
	event := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"
	for range events {
		fmt.Fprintf(&text, "%x\r\n%s\r\n", len(event), event)
	}
	fmt.Fprintf(&text, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
	return text.Bytes()
}
