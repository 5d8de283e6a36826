// Package manifest reads what a connector says of itself: its name and version, the commands it offers with their
// typed parameters, and the capabilities it asks for. Asking is not having: an operator grants.
//
// A manifest comes from a guest or from an uploaded file, so [Parse] trusts none of it. What Parse returns obeys every
// rule of the native ABI, version 1, and may be shared between goroutines because nobody changes it: a *Manifest is
// immutable by convention from the moment Parse returns it. To change one, encode it, edit the text and parse again.
package manifest

import "slices"

// Manifest is one connector's description of itself. Its JSON form is what a guest's describe writes, and encoding a
// parsed Manifest gives a document that Parse accepts.
type Manifest struct {
	// Name is the connector's name; [ValidName] holds for it.
	Name string `json:"name"`
	// Version is a semantic version, https://semver.org/spec/v2.0.0.html, of at most 128 bytes.
	Version string `json:"version"`
	// Description is plain text of at most 4 KiB; it may have line breaks and tabs.
	Description string `json:"description,omitempty"`
	// Capabilities is what the connector asks for, each name once, in the declared order.
	Capabilities []Capability `json:"capabilities,omitempty"`
	// Commands holds 1 to 256 commands, each name once, in the declared order: a command's position is the number by
	// which a guest of the native ABI is told which one to execute.
	Commands []Command `json:"commands"`
}

// The capabilities.
const (
	CapabilityHTTP   = "http"
	CapabilityTCP    = "tcp"
	CapabilitySecret = "secret"
	CapabilityCache  = "cache"
)

// Capability is one thing a connector asks to be allowed.
type Capability struct {
	// Name is the capability, one of those that [Parse] knows: "http", "tcp", "secret", "cache".
	Name string `json:"name"`
	// Reason tells the operator what it is needed for: 1 byte to 4 KiB of plain text.
	Reason string `json:"reason"`
	// Hosts, of the capabilities "http" and "tcp", holds 1 to 64 egress rules of 1 to 512 bytes. Whoever applies them parses
	// them as rules; [Rules.Parse] has found those that are none.
	Hosts []string `json:"hosts,omitempty"`
	// Secrets holds 1 to 64 names of secrets, each once, where the capability is "secret"; [ValidName] holds for them.
	Secrets []string `json:"secrets,omitempty"`
}

// Command is one thing a connector does.
type Command struct {
	// Name is unique among the connector's commands.
	Name string `json:"name"`
	// Description is plain text of at most 4 KiB.
	Description string `json:"description,omitempty"`
	// Async says that the answer to a call with a callback URL only accepts it, and that the result is called back.
	Async bool `json:"async"`
	// TaskData says that the call's context carries the data of the workflow's task.
	TaskData bool `json:"task_data"`
	// Parameters holds at most 256 parameters, each id once, in the declared order.
	Parameters []Parameter `json:"parameters,omitempty"`
}

// Parameter is one named and typed input of a command.
type Parameter struct {
	// ID is unique among the command's parameters and does not begin with "spiff__".
	ID string `json:"id"`
	// Type is the JSON type in which the value is delivered.
	Type Type `json:"type"`
	// Required says that a call without this parameter, or with null for it, is refused.
	Required bool `json:"required"`
	// Description is plain text of at most 4 KiB.
	Description string `json:"description,omitempty"`
	// Secret marks values that must never be shown: not in logs, not in errors, not in a console.
	Secret bool `json:"secret"`
}

// Type is the declared type of a parameter.
type Type string

// The types a parameter can have.
const (
	TypeString Type = "str"  // a JSON string
	TypeInt    Type = "int"  // a JSON number without fraction
	TypeBool   Type = "bool" // true or false
	TypeAny    Type = "any"  // any JSON value
)

// Requests reports whether the connector asks for that capability.
func (m *Manifest) Requests(capability string) bool {
	return slices.ContainsFunc(m.Capabilities, func(c Capability) bool { return c.Name == capability })
}

// CommandIndex returns the position in m.Commands of the command called name, and false where there is none. Names are
// compared byte by byte. It looks at one command after the other.
func (m *Manifest) CommandIndex(name string) (int, bool) {
	for i := range m.Commands {
		if m.Commands[i].Name == name {
			return i, true
		}
	}
	return 0, false
}
