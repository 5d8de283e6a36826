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
	head, value := uint32(h), uint32(h)+1
	defer c.host.Close(head)
	defer c.host.Close(value)
	if err := errorOf(readAll(c.host, head)); err != nil {
		return "", err
	}
	return string(readAll(c.host, value)), nil
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
