// Dialer is a connector for tests of connections: it sends mail, as connectors would, and leaves connections open, as
// they should not.
package main

import (
	"context"
	"net"
	"net/smtp"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/netconn"
	"sluice/guest-sdk/go/netsmtp"
	"sluice/testdata/guests/ends"
)

type sendParams struct {
	Address  string `sluice:"address,required"`
	Implicit bool   `sluice:"implicit" desc:"TLS from the start, instead of STARTTLS"`
	User     string `sluice:"user,required"`
	Password string `sluice:"password,required,secret"`
	From     string `sluice:"from,required"`
	To       string `sluice:"to,required"`
	Text     string `sluice:"text,required"`
}

// send sends one mail by net/smtp.
func send(c *sluice.Call, p sendParams) (string, error) {
	security := netsmtp.StartTLS
	if p.Implicit {
		security = netsmtp.TLS
	}
	host, _, err := net.SplitHostPort(p.Address)
	if err != nil {
		return "", err
	}
	client, err := netsmtp.Dial(context.Background(), netconn.Dialer{Call: c}, p.Address, "sluice.example", security)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.Auth(netsmtp.Auth(smtp.PlainAuth("", p.User, p.Password, host))); err != nil {
		return "", sluice.Errorf("LoginFailed", 400, "The server refused the login.")
	}
	if err := client.Mail(p.From); err != nil {
		return "", err
	}
	if err := client.Rcpt(p.To); err != nil {
		return "", err
	}
	w, err := client.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write([]byte(p.Text)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return "sent", client.Quit()
}

type leaveParams struct {
	Address string `sluice:"address,required"`
	Count   int    `sluice:"count,required"`
	How     string `sluice:"how,required"`
}

// leave opens connections and ends without closing them.
func leave(c *sluice.Call, p leaveParams) (string, error) {
	var last net.Conn
	for range p.Count {
		conn, err := netconn.Dialer{Call: c}.Dial("tcp", p.Address)
		if err != nil {
			return "", err
		}
		last = conn
	}
	return ends.As(p.How, func() error {
		_, err := last.Read(make([]byte, 1))
		return err
	})
}

type bothParams struct {
	Address string `sluice:"address,required"`
	URL     string `sluice:"url,required"`
}

// both opens a connection and sends a request, and answers with what became of the latter.
func both(c *sluice.Call, p bothParams) (int, error) {
	conn, err := netconn.Dialer{Call: c}.Dial("tcp", p.Address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	response, err := c.HTTP(sluice.Request{URL: p.URL})
	if err != nil {
		return 0, err
	}
	return response.Status, nil
}

func init() {
	sluice.Connector{
		Name: "dialer", Version: "1.0.0", Description: "Opens connections.",
		Capabilities: []sluice.Capability{
			sluice.TCP("sends mail by the servers that its parameters name", "*:*"),
			sluice.HTTP("asks what its parameters name", "http://*"),
		},
	}.Register(
		sluice.Command("Send", "Sends a mail.", send),
		sluice.Command("Leave", "Leaves connections open.", leave),
		sluice.Command("Both", "Opens a connection and sends a request.", both),
	)
}

func main() {}
