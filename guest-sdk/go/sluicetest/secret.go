package sluicetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strings"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
	"sluice/runtime/manifest"
)

// Secret is a secret that a test grants.
type Secret struct {
	Value string
	// Clear lets the command read the value.
	Clear bool
	// Sign lets the command have things signed with the value.
	Sign bool
}

func (h *host) Secret(name string, p []byte) int32 {
	switch {
	case !h.executing:
		return int32(abi.NotAvailable)
	case !manifest.ValidName(name) || len(p) < len(reference(0)):
		return int32(abi.Invalid)
	}
	at := slices.Index(h.referred, name)
	if at < 0 {
		at = len(h.referred)
		h.referred = append(h.referred, name)
	}
	return int32(copy(p, reference(at)))
}

// reference is what stands for the secret that a command referred to as the nth.
func reference(n int) string { return fmt.Sprintf("sluice-secret-v1%032x", n) }

func (h *host) SecretValue(name string) int32 {
	switch {
	case !h.executing:
		return int32(abi.NotAvailable)
	case !manifest.ValidName(name):
		return int32(abi.Invalid)
	}
	secret, failure := h.granted(name)
	if failure == nil && !secret.Clear {
		failure = &HTTPError{Code: "secret_denied", Message: fmt.Sprintf("The test does not grant the secret %q in the clear.", name)}
	}
	return h.ofSecret([]byte(secret.Value), failure)
}

// hashes are the hash functions of HMAC.
var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// maxSigned is how much is signed at once, in bytes.
const maxSigned = 16 << 20

func (h *host) HMAC(name, algorithm string, data []byte) int32 {
	switch {
	case !h.executing:
		return int32(abi.NotAvailable)
	case !manifest.ValidName(name) || hashes[algorithm] == nil:
		return int32(abi.Invalid)
	case len(data) > maxSigned:
		return int32(abi.TooLarge)
	}
	secret, failure := h.granted(name)
	if failure == nil && !secret.Sign {
		failure = &HTTPError{Code: "secret_denied", Message: fmt.Sprintf("The test does not grant signing with the secret %q.", name)}
	}
	for n := range h.referred {
		if bytes.Contains(data, []byte(reference(n))) && failure == nil {
			failure = &HTTPError{Code: "secret_denied", Message: "What is to be signed holds what stands for a secret."}
		}
	}
	if failure != nil {
		return h.ofSecret(nil, failure)
	}
	mac := hmac.New(hashes[algorithm], []byte(secret.Value))
	_, _ = mac.Write(data)
	return h.ofSecret(mac.Sum(nil), nil)
}

// ofSecret puts what a command gets of a secret behind a pair of handles, or why it gets nothing.
func (h *host) ofSecret(value []byte, failure *HTTPError) int32 {
	head := []byte(`{"ok":true}`)
	if failure != nil {
		text, err := json.Marshal(map[string]any{"error": failure})
		if err != nil {
			h.t.Fatalf("the error of a secret cannot be encoded: %v", err)
		}
		head, value = text, nil
	}
	handle := h.next
	h.next += 2
	h.open[handle], h.open[handle+1] = head, value
	return int32(handle)
}

// granted returns a secret that the connector asks for and the test grants.
func (h *host) granted(name string) (Secret, *HTTPError) {
	secret, ok := h.call.Secrets[name]
	switch {
	case !slices.Contains(h.maySecrets, name):
		return Secret{}, &HTTPError{Code: "secret_denied", Message: fmt.Sprintf("The manifest does not ask for the secret %q.", name)}
	case !ok:
		return Secret{}, &HTTPError{Code: "secret_denied", Message: fmt.Sprintf("The test does not grant the secret %q: see Call.Secrets.", name)}
	}
	return secret, nil
}

// putSecrets puts the values of secrets into a request, as the host does.
func (h *host) putSecrets(q *requestHead, body []byte) ([]byte, error) {
	var failure *HTTPError
	put := func(text string, encode func(string) string) string {
		for n, name := range h.referred {
			if !strings.Contains(text, reference(n)) {
				continue
			}
			secret, denied := h.granted(name)
			if denied != nil {
				failure = denied
			}
			text = strings.ReplaceAll(text, reference(n), encode(secret.Value))
		}
		return text
	}
	misplaced := func(string) string {
		failure = &HTTPError{Code: "secret_denied", Message: "A secret stands in the request where none may."}
		return ""
	}
	rest, fragment, _ := strings.Cut(q.URL, "#")
	path, query, _ := strings.Cut(rest, "?")
	put(path+fragment, misplaced)
	if query != "" {
		q.URL = path + "?" + put(query, url.QueryEscape)
	}
	encode := misplaced
	for i, pair := range q.Headers {
		put(pair[0], misplaced)
		q.Headers[i][1] = put(pair[1], func(s string) string { return s })
		if strings.EqualFold(pair[0], "content-type") {
			encode = encodingOf(pair[1], misplaced)
		}
	}
	body = []byte(put(string(body), encode))
	if failure != nil {
		return nil, failure
	}
	return body, nil
}

func encodingOf(contentType string, other func(string) string) func(string) string {
	media, _, _ := strings.Cut(contentType, ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return func(s string) string {
			quoted := rawjson.AppendString(nil, s)
			return string(quoted[1 : len(quoted)-1])
		}
	case media == "application/x-www-form-urlencoded":
		return url.QueryEscape
	}
	return other
}
