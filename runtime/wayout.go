package runtime

import (
	"crypto/tls"
	"errors"
	"fmt"

	"sluice/hostfuncs/egress"
)

// ClientCertificate names the files of a certificate and its key, in PEM.
type ClientCertificate struct{ Certificate, Key string }

// fileError is why a file that a member of a grant names can't be used. The text is for the operator: whoever grants by
// management must not learn from it what files there are on the machine, and what they hold.
type fileError struct {
	member string
	err    error
}

func (e *fileError) Error() string { return e.member + ": " + e.err.Error() }

// unusable refuses a connector whose way out can't be made.
func (r *Runtime) unusable(c *connector, err error) *Refusal {
	file, ok := errors.AsType[*fileError](err)
	if !ok {
		return refuse(RefusedManifest, err.Error())
	}
	r.config.Logger.Error("a file that a grant names can't be used", "connector", c.name, "member", file.member, "error", file.err.Error())
	return refuse(RefusedGrant, fmt.Sprintf("A file that the grant of %q names in %s can't be used: see in Sluice's log why.", c.name, file.member))
}

// wayOut is what the grant says of how requests go out, beside where to. It reads the files that the grant names, so
// what a connector uses is what they held when its version came into service.
func (g Grant) wayOut() (egress.Config, error) {
	c := egress.Config{Redirects: g.Redirects, Retry: g.Retry}
	var err error
	if g.Proxy != "" {
		if c.Proxy, err = egress.ParseProxy(g.Proxy); err != nil {
			return c, fmt.Errorf("proxy: %w", err)
		}
	}
	if g.CA != "" {
		if c.RootCAs, err = egress.LoadAuthorities(g.CA); err != nil {
			return c, &fileError{"ca", err}
		}
	}
	if g.ClientCertificate != (ClientCertificate{}) {
		pair, err := egress.LoadCertificate(g.ClientCertificate.Certificate, g.ClientCertificate.Key)
		if err != nil {
			return c, &fileError{"client_certificate", err}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
