package runtime

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

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
	if g.Redirects < 0 || g.Redirects > egress.MaxRedirects {
		return c, fmt.Errorf("redirects is not a number from 0 to %d", egress.MaxRedirects)
	}
	if err := checkRetry(g.Retry); err != nil {
		return c, err
	}
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

func checkRetry(r egress.Retry) error {
	switch {
	case r.Attempts == 0 && len(r.Statuses) == 0 && !r.Unsafe:
		return nil
	case r.Attempts < egress.MinAttempts || r.Attempts > egress.MaxAttempts:
		return fmt.Errorf("retry.attempts is not a number from %d to %d", egress.MinAttempts, egress.MaxAttempts)
	case slices.ContainsFunc(r.Statuses, func(status int) bool { return status < 400 || status > 599 }):
		return fmt.Errorf("retry.on holds a status that is not from 400 to 599")
	}
	return nil
}
