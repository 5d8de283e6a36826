package netsmtp_test

import (
	"context"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/netconn"
	"sluice/guest-sdk/go/netsmtp"
	"sluice/guest-sdk/go/sluicetest"
)

// use is what the one command of the connector under test does.
var use func(c *sluice.Call) error

func init() {
	sluice.Connector{Name: "mails", Version: "1.0.0", Capabilities: []sluice.Capability{sluice.TCP("tests", "*:25")}}.Register(
		sluice.Command("Use", "", func(c *sluice.Call, _ struct{}) (string, error) { return "used", use(c) }))
}

// script is a server that expects lines, and answers them. An answer that begins with TLS is none: it says that the
// next line is expected on TLS.
func script(t *testing.T, lines ...[2]string) sluicetest.Connect {
	return sluicetest.Peer(func(conn net.Conn) {
		text := textproto.NewConn(conn)
		for _, l := range lines {
			if l[0] != "" {
				got, err := text.ReadLine()
				if err == io.EOF {
					return
				}
				if err != nil || got != l[0] {
					t.Errorf("got %q, %v; want %q", got, err, l[0])
					return
				}
			}
			_, _ = io.WriteString(conn, l[1])
		}
		_, _ = io.Copy(io.Discard, conn)
	})
}

func send(security netsmtp.Security) func(c *sluice.Call) error {
	return func(c *sluice.Call) error {
		client, err := netsmtp.Dial(context.Background(), netconn.Dialer{Call: c}, "mail.example:25", "guest", security)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.Auth(netsmtp.Auth(smtp.PlainAuth("", "ada", "pw", "mail.example"))); err != nil {
			return err
		}
		return client.Quit()
	}
}

func TestDial(t *testing.T) {
	login := [][2]string{
		{"EHLO guest", "250-mail.example\r\n250 AUTH PLAIN\r\n"},
		{"AUTH PLAIN AGFkYQBwdw==", "235 welcome\r\n"}, {"QUIT", "221 bye\r\n"},
	}
	before := [][2]string{{"", "220 mail.example\r\n"}, {"EHLO guest", "250-mail.example\r\n250 STARTTLS\r\n"}, {"STARTTLS", "220 go\r\n"}}
	for name, tc := range map[string]struct {
		security netsmtp.Security
		server   [][2]string
		failure  string
	}{
		"STARTTLS":                    {netsmtp.StartTLS, append(before[:3:3], login...), ""},
		"TLS":                         {netsmtp.TLS, append(before[:1:1], login...), ""},
		"none, though told otherwise": {netsmtp.Clear, append(before[:1:1], login...), ""},
		"not offered":                 {netsmtp.StartTLS, append(before[:2:2], [2]string{"STARTTLS", "502 no\r\n"}), "unclassified_error"},
		"injected":                    {netsmtp.StartTLS, append(before[:2:2], [2]string{"STARTTLS", "220 go\r\n250 injected\r\n"}), "unclassified_error"},
		"unwelcome":                   {netsmtp.StartTLS, [][2]string{{"", "554 no\r\n"}}, "unclassified_error"},
	} {
		t.Run(name, func(t *testing.T) {
			use = send(tc.security)
			if r := sluicetest.Run(t, "Use", sluicetest.Call{TCP: script(t, tc.server...)}); r.ErrorCode != tc.failure {
				t.Errorf("got %+v", r)
			}
		})
	}
	use = func(c *sluice.Call) error {
		for _, hello := range []string{"a\r\nMAIL FROM:<x>", "a\n"} {
			_, err := netsmtp.Dial(context.Background(), netconn.Dialer{Call: c}, "mail.example:25", hello, netsmtp.StartTLS)
			if err == nil || !strings.Contains(err.Error(), "line breaks") {
				t.Errorf("got %v", err)
			}
		}
		_, err := netsmtp.Dial(context.Background(), netconn.Dialer{Call: c}, "mail.example", "a", netsmtp.TLS)
		if err == nil {
			t.Error("there is no port")
		}
		return nil
	}
	sluicetest.Run(t, "Use", sluicetest.Call{TCP: script(t, before[0])})
}
