// Command routerload is both ends of a router's bench: a model endpoint that answers as fast as it
// can, and clients that count every answer. It speaks HTTP/1.1 by hand, because the standard
// library's client and server would cost more than the router that is measured.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"serve": serve, "load": load}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: routerload serve|load [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "routerload:", err)
		os.Exit(1)
	}
}
