//go:build !wasip1

package netconn

import "sluice/guest-sdk/go/abi"

// hostOf returns the functions for connections that belong to a host, which is that of a test.
func hostOf(h abi.Host) (abi.TCPHost, bool) {
	t, ok := h.(abi.TCPHost)
	return t, ok
}
