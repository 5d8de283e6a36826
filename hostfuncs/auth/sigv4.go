package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signV4 returns a copy of a request with a signature over method, URL, body, Content-Type and the headers of AWS. The
// others can't be signed: what goes out with them is the client's to say.
func signV4(ctx context.Context, e *Entry, r *egress.Request, key string, now time.Time) (*egress.Request, *egress.Error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return nil, refused("the URL can't be signed")
	}
	for _, h := range r.Headers {
		name := strings.ToLower(h[0])
		if name == "content-type" || strings.HasPrefix(name, amzPrefix) && !signatures[name] {
			request.Header.Add(name, h[1])
		}
	}
	body := sha256.New()
	r.Work(secret.HashedPerByte*len(r.Body), func(look func(n int)) { secret.Digest(body, r.Body, look) })
	payload := hex.EncodeToString(body.Sum(nil))
	plain := func(o *v4.SignerOptions) {}
	if strings.HasPrefix(e.Service, "s3") {
		request.Header.Set(contentHash, payload)
		plain = func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true } // its paths are escaped once
	}
	credentials := aws.Credentials{AccessKeyID: e.User, SecretAccessKey: key}
	if err := v4.NewSigner(plain).SignHTTP(ctx, credentials, request, payload, e.Service, e.Region, now); err != nil {
		return nil, refused("the request can't be signed for AWS")
	}
	out := *r
	out.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool { return signatures[strings.ToLower(h[0])] })
	for name := range signatures {
		if value := request.Header.Get(name); value != "" {
			out.Headers = append(out.Headers, [2]string{name, value})
		}
	}
	return &out, nil
}

const (
	amzPrefix   = "x-amz-"
	contentHash = "x-amz-content-sha256"
)

// signatures are the headers that belong to a signature. A guest's never go out, those either that this one does not set.
var signatures = map[string]bool{"authorization": true, "x-amz-date": true, contentHash: true, "x-amz-security-token": true}
