package runtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sluice/runtime/catalog"
	"sluice/runtime/module"
	"sluice/runtime/sandbox/compile"
)

// Refusal is why a connector was not installed or removed. Nothing has changed.
type Refusal struct {
	// Code is stable: one of package module's, or one of those below.
	Code string
	// Message says what is wrong and what to do.
	Message string
	// Status is the HTTP status that says so.
	Status int
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// The codes of refusals beside those of package module.
const (
	RefusedABI           = "unsupported_abi"      // the module speaks an ABI that this version does not run
	RefusedCompilation   = "does_not_compile"     // the module is not valid
	RefusedTooCostly     = "compilation_limit"    // compiling it takes too much time or memory
	RefusedCompiler      = "compiler_unavailable" // the compiler does not work at present
	RefusedDescribe      = "describe_failed"      // the module could not say what it is
	RefusedManifest      = "invalid_manifest"     // what it said breaks a rule
	RefusedOverloaded    = "overloaded"           // there is no memory for it at present
	RefusedMemory        = "memory_not_granted"   // it needs more memory than its connector may have
	RefusedName          = "name_taken"           // the name belongs to a bundled connector
	RefusedVersion       = "version_exists"       // the version is installed with other content
	RefusedUnknown       = "connector_not_found"  // there is no such connector
	RefusedBundled       = "bundled"              // bundled connectors can't be removed
	RefusedNoSpace       = "no_space"             // the disk is full
	RefusedStorage       = "storage_failed"       // the disk does not work
	RefusedGrant         = "invalid_grant"        // a grant breaks a rule
	RefusedGrantInFile   = "grant_in_file"        // the configuration file has a grant for the connector
	RefusedSecret        = "invalid_secret"       // a secret's name or value can't be kept
	RefusedSecretsKey    = "no_secrets_key"       // the server has no key for its secrets
	RefusedUnknownSecret = "secret_not_found"     // the store holds no such secret
)

func refuse(code, message string) *Refusal {
	status := http.StatusUnprocessableEntity
	switch code {
	case RefusedName, RefusedVersion, RefusedBundled, RefusedGrantInFile, RefusedSecretsKey:
		status = http.StatusConflict
	case RefusedUnknown, RefusedUnknownSecret:
		status = http.StatusNotFound
	case RefusedNoSpace:
		status = http.StatusInsufficientStorage
	case RefusedStorage, RefusedCompiler, RefusedOverloaded:
		status = http.StatusServiceUnavailable
	case string(module.CodeTooLarge):
		status = http.StatusRequestEntityTooLarge
	}
	return &Refusal{Code: code, Message: message, Status: status}
}

// refusal makes a Refusal of an error of the packages below.
func refusal(err error) error {
	var r *Refusal
	var m *module.Error
	var c *compile.Error
	switch {
	case err == nil, errors.As(err, &r):
		return err
	case errors.As(err, &m):
		return refuse(string(m.Code), m.Message+placeOf(m))
	case errors.As(err, &c):
		return refuse(c.Code, c.Message)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, catalog.ErrNoSpace):
		return refuse(RefusedNoSpace, err.Error())
	}
	return refuse(RefusedStorage, err.Error())
}

// placeOf says where in the file a module was refused.
func placeOf(m *module.Error) string {
	switch {
	case m.Section == "":
		return ""
	case m.Offset < 0:
		return fmt.Sprintf(" (%s section)", m.Section)
	}
	return fmt.Sprintf(" (%s section, byte %d)", m.Section, m.Offset)
}
