package sluice

import (
	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
)

// Secrets returns the capability to use secrets, by the names that the operator defines them under.
func Secrets(reason string, names ...string) Capability {
	return Capability{Name: "secret", Reason: reason, Secrets: names}
}

// referenceLength is how many bytes a reference has.
const referenceLength = 48

// Secret returns the text that stands for a secret in this call. Put into a header's value, the URL's query, or a body
// of JSON or a form, it is replaced by the value when [Call.HTTP] sends the request, which fails with secret_denied where
// the secret may not be sent: the connector never has it. The text means nothing anywhere else, and is another in the next
// call. It must stay as it is: what is made of it, as by Base64, means nothing either.
//
// # Errors
//
// An [*Error] with the code invalid_secret: no secret can have that name, or the call uses more than 64. Whether there is
// such a secret, and it is granted, is said by the request.
func (c *Call) Secret(name string) (string, error) {
	var p [referenceLength]byte
	n := c.host.Secret(name, p[:])
	if n < 0 {
		return "", badSecret(abi.Code(n))
	}
	return string(p[:n]), nil
}

// SecretValue returns a secret in the clear, for protocols that leave no other way. The operator has to grant that.
//
// # Errors
//
// An [*Error] that a command may return as it is: secret_denied (403), secret_unavailable (503), or invalid_secret.
func (c *Call) SecretValue(name string) (string, error) {
	h := c.host.SecretValue(name)
	if h < 0 {
		return "", badSecret(abi.Code(h))
	}
	value, err := c.ofSecret(uint32(h))
	return string(value), err
}

// Hash is a hash function that [Call.HMAC] works with.
type Hash string

// The hash functions. SHA1 is for OAuth 1.0a, and for webhooks of its time.
const (
	SHA1   Hash = "sha1"
	SHA256 Hash = "sha256"
	SHA512 Hash = "sha512"
)

// HMAC returns the HMAC (RFC 2104) of data with a secret as its key: 20, 32 or 64 bytes. It is for services that want requests
// signed in a way of their own, and for checking what they have signed; the connector does not get the secret. The operator
// has to grant that. Data that hold what [Call.Secret] returned in this call are refused: the value comes into its place
// after they are signed.
//
// # Errors
//
// An [*Error] that a command may return as it is: secret_denied (403), secret_unavailable (503), or invalid_secret, where
// no secret can have that name, there is no such hash function, or data have more than 16 MiB.
func (c *Call) HMAC(secret string, hash Hash, data []byte) ([]byte, error) {
	h := c.host.HMAC(secret, string(hash), data)
	if h < 0 {
		return nil, badSigning(abi.Code(h))
	}
	return c.ofSecret(uint32(h))
}

// ofSecret returns what is behind the second of a pair of handles, or the error behind the first.
func (c *Call) ofSecret(head uint32) ([]byte, error) {
	defer c.host.Close(head)
	defer c.host.Close(head + 1)
	if err := errorOf(readAll(c.host, head)); err != nil {
		return nil, err
	}
	return readAll(c.host, head+1), nil
}

// errorOf returns the error that a head holds, or nil.
func errorOf(head []byte) error {
	var failure *Error
	if rawjson.Members(head, rawjson.MaxDepth, func(key, value []byte) (err error) {
		if string(key) == "error" {
			failure, err = failureOf(value)
		}
		return err
	}) != nil {
		fail("the host's head of a secret cannot be read")
	}
	if failure == nil { // which as an error would not be nil
		return nil
	}
	return failure
}

func badSecret(code abi.Code) error {
	switch code {
	case abi.Invalid:
		return &Error{Code: CodeInvalidSecret, Status: 500, Message: "The connector asks for a secret by what is no name."}
	case abi.TooLarge:
		return &Error{Code: CodeInvalidSecret, Status: 500, Message: "The connector uses too many secrets in one call."}
	}
	fail("the host refused a secret: " + code.String())
	return nil
}

func badSigning(code abi.Code) error {
	switch code {
	case abi.Invalid:
		return &Error{Code: CodeInvalidSecret, Status: 500, Message: "The connector signs with what is no secret's name, or by a hash function that there is not."}
	case abi.TooLarge:
		return &Error{Code: CodeInvalidSecret, Status: 500, Message: "The connector signs more than 16 MiB at once, or there is no memory left for it."}
	}
	fail("the host refused to sign: " + code.String())
	return nil
}
