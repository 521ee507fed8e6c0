package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// head is what both ends need of a request's or a reply's first lines.
type head struct {
	first   string
	length  int
	chunked bool
	closing bool
}

// readHead reads up to the empty line; the body stays unread.
func readHead(from *bufio.Reader) (head, error) {
	found := head{length: -1}
	line, err := from.ReadSlice('\n')
	if err != nil {
		return found, err
	}
	found.first = string(bytes.TrimRight(line, "\r\n"))
	for {
		line, err = from.ReadSlice('\n')
		if err != nil {
			return found, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return found, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if found.length, err = strconv.Atoi(string(value)); err != nil {
				return found, err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			found.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("connection")):
			found.closing = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// skipBody reads a body to its end and gives its size.
func (h head) skipBody(from *bufio.Reader) (int, error) {
	if !h.chunked {
		return discard(from, max(h.length, 0))
	}
	total := 0
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return total, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 64)
		if err != nil {
			return total, fmt.Errorf("bad chunk: %w", err)
		}
		if _, err = discard(from, int(size)+2); err != nil {
			return total, err
		}
		if size == 0 {
			return total, nil
		}
		total += int(size)
	}
}

func discard(from *bufio.Reader, count int) (int, error) {
	done, err := from.Discard(count)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return done, err
}
