package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"sluice/internal/config"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server of this machine or container whether it lives",
		Long: "Ask the server whether it lives, at the address that `sluice serve` would listen on with the same environment:\n" +
			"for a container's health check, which needs no other program then.",
		Args: none,
	}
	url := cmd.Flags().String("server", "", "URL of the server; default: where sluice serve listens in this environment")
	cmd.RunE = failing(func(*cobra.Command, []string) error {
		if *url == "" {
			c, err := config.Load("", os.LookupEnv, nil)
			if err != nil {
				return err
			}
			*url = "http://" + reachable(c.Listen)
		}
		c := &client{server: *url}
		c.http.Timeout = 5 * time.Second
		status, _, err := c.send("GET", "/liveness", "", nil)
		if err == nil && status != 200 {
			err = fmt.Errorf("%s/liveness answered %d", *url, status)
		}
		return err
	})
	return cmd
}

// reachable is an address to connect to for one to listen on.
func reachable(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
