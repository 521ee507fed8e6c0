package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// outcome is what a run of clients found.
type outcome struct {
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"`
	Failures map[string]int `json:"failures"`
	Seconds  float64        `json:"seconds"`
	PerS     float64        `json:"requests_per_s"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Longest  float64        `json:"longest_ms"`
}

type client struct {
	addresses []string
	request   []byte
	patience  time.Duration
	next      int
	stream    net.Conn
	from      *bufio.Reader
	took      []float64
	failures  map[string]int
}

// load sends POSTs until its time is over or it is told to end; nothing is ever sent twice.
func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	to := flags.String("to", "", "host:port of the router; several are taken in turn by connections")
	connections := flags.Int("connections", 16, "connections, each with one request at a time")
	seconds := flags.Float64("seconds", 5, "how long")
	rate := flags.Float64("rate", 0, "requests per second over all connections; 0 is as many as go")
	size := flags.Int("body-bytes", 370, "size of a request's body")
	model := flags.String("model", "bench", "the model that is asked for")
	key := flags.String("key", "", "API key")
	streamed := flags.Bool("stream", false, "ask for a stream")
	modelLast := flags.Bool("model-last", false, "write the model after the messages")
	reconnect := flags.Int("reconnect", 0, "open a new connection after so many requests; 0 is never")
	patience := flags.Duration("patience", 60*time.Second, "longest wait for one answer")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	request := post(*key, body(*model, *size, *streamed, *modelLast))
	clients := make([]*client, *connections)
	for index := range clients {
		clients[index] = &client{addresses: strings.Split(*to, ","), request: request, next: index, patience: *patience, failures: map[string]int{}}
	}
	var ending atomic.Bool
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-told; ending.Store(true) }()
	begin := time.Now()
	until := begin.Add(time.Duration(*seconds * float64(time.Second)))
	var running sync.WaitGroup
	for index, one := range clients {
		running.Go(func() { one.run(begin, until, pause(*rate, *connections), index, *connections, *reconnect, &ending) })
	}
	running.Wait()
	return json.NewEncoder(os.Stdout).Encode(summed(clients, time.Since(begin)))
}

func pause(rate float64, connections int) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(connections) / rate * float64(time.Second))
}

func (c *client) run(begin, until time.Time, every time.Duration, index, of, reconnect int, ending *atomic.Bool) {
	at := begin.Add(every * time.Duration(index) / time.Duration(of))
	for count := 1; time.Now().Before(until) && !ending.Load(); count++ {
		if every > 0 {
			time.Sleep(time.Until(at))
			at = at.Add(every)
		}
		start := time.Now()
		if err := c.ask(); err != nil {
			c.failures[err.Error()]++
			c.hangUp()
			continue
		}
		c.took = append(c.took, float64(time.Since(start).Microseconds())/1000)
		if reconnect > 0 && count%reconnect == 0 {
			c.hangUp()
		}
	}
	c.hangUp()
}

func (c *client) ask() error {
	if c.stream == nil {
		address := c.addresses[c.next%len(c.addresses)]
		c.next++
		connection, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return fmt.Errorf("no connection")
		}
		c.stream, c.from = connection, bufio.NewReaderSize(connection, 32<<10)
	}
	_ = c.stream.SetDeadline(time.Now().Add(c.patience))
	if _, err := c.stream.Write(c.request); err != nil {
		return fmt.Errorf("connection lost while sending")
	}
	reply, err := readHead(c.from)
	if err != nil {
		return fmt.Errorf("no answer")
	}
	if !strings.HasPrefix(reply.first, "HTTP/1.1 200") {
		return fmt.Errorf("status %.3s", strings.TrimPrefix(reply.first, "HTTP/1.1 "))
	}
	if _, err = reply.skipBody(c.from); err != nil {
		return fmt.Errorf("answer cut short")
	}
	if reply.closing {
		c.hangUp()
	}
	return nil
}

func (c *client) hangUp() {
	if c.stream != nil {
		c.stream.Close()
		c.stream = nil
	}
}

func summed(clients []*client, took time.Duration) outcome {
	found := outcome{Failures: map[string]int{}, Seconds: took.Seconds()}
	var all []float64
	for _, one := range clients {
		all = append(all, one.took...)
		for what, count := range one.failures {
			found.Failures[what] += count
			found.Failed += count
		}
	}
	slices.Sort(all)
	found.Requests = len(all) + found.Failed
	found.PerS = float64(len(all)) / took.Seconds()
	if len(all) > 0 {
		found.P50, found.P99, found.Longest = quantile(all, 0.5), quantile(all, 0.99), all[len(all)-1]
	}
	return found
}

// quantile takes sorted values.
func quantile(sorted []float64, share float64) float64 {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func body(model string, size int, streamed, modelLast bool) string {
	stream := ""
	if streamed {
		stream = `"stream":true,`
	}
	named := fmt.Sprintf(`"model":%q`, model)
	shell := `{%s%s"messages":[{"role":"user","content":"%s"}]%s}`
	first, last := named+",", ""
	if modelLast {
		first, last = "", ","+named
	}
	empty := fmt.Sprintf(shell, stream, first, "", last)
	return fmt.Sprintf(shell, stream, first, strings.Repeat("a", max(0, size-len(empty))), last)
}

func post(key, body string) []byte {
	authorization := ""
	if key != "" {
		authorization = "authorization: Bearer " + key + "\r\n"
	}
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%s", authorization, len(body), body)
}
