package manifest

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"sluice/internal/nearest"
)

const (
	maxTextBytes    = 4 << 10
	maxCapabilities = 64
	maxHosts        = 64
	maxHostBytes    = 512
	maxCommands     = 256
	maxParameters   = 256

	// reservedPrefix begins the parameters that a workflow engine adds by itself.
	reservedPrefix = "spiff__"

	nameRule       = "use 1 to 64 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit"
	identifierRule = "use 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-', beginning with a letter or digit"
)

var (
	knownCapabilities = []string{CapabilityHTTP, CapabilityTCP, CapabilitySecret, CapabilityCache}
	knownTypes        = []string{string(TypeString), string(TypeInt), string(TypeBool), string(TypeAny)}
)

// Parse reads one manifest: a JSON object of at most 1 MiB in UTF-8 and nothing after it, in which every member is
// known and appears once. Members that are left out are zero in the result; null stands for nothing and is refused.
// The result shares no memory with b. Hosts are bounded and not understood: see [Rules.Parse].
//
// # Errors
//
// Any error is an [*Error], and no manifest is returned with it.
func Parse(b []byte) (*Manifest, error) { return Rules(nil).Parse(b) }

// Rules read the hosts of capabilities, by the capability's name. The error says what is wrong with one, as a sentence's
// rest after a colon, and repeats nothing of it.
type Rules map[string]func(host string) error

// Parse is [Parse], and finds hosts that are no rules too.
func (r Rules) Parse(b []byte) (*Manifest, error) {
	if message := checkText(b); message != "" {
		return nil, &Error{Problems: []Problem{{Message: message}}}
	}
	d := newDocument(b)
	d.rules = r
	m := d.manifest(d.next())
	if len(d.problems) > 0 {
		return nil, &Error{Problems: d.problems, Omitted: d.omitted}
	}
	return m, nil
}

func (d *document) manifest(first json.Token) *Manifest {
	m := &Manifest{}
	capabilities, commands := positions{}, positions{}
	d.object(first,
		member{"name", "the connector's name, such as \"weather\"", func(t json.Token) { m.Name = d.connectorName(t) }},
		member{"version", "a semantic version, such as \"1.0.0\"", func(t json.Token) { m.Version = d.version(t) }},
		member{"description", "", func(t json.Token) { m.Description = d.prose(t) }},
		member{"capabilities", "", func(t json.Token) {
			d.array(t, 0, maxCapabilities, "capabilities", func(i int, t json.Token) {
				c := d.capability(t)
				d.once(capabilities, c.Name, "capabilities", "name", i)
				m.Capabilities = append(m.Capabilities, c)
			})
		}},
		member{"commands", "an array of at least one command", func(t json.Token) {
			d.array(t, 1, maxCommands, "commands", func(i int, t json.Token) {
				c := d.command(t)
				d.once(commands, c.Name, "commands", "name", i)
				m.Commands = append(m.Commands, c)
			})
		}},
	)
	return m
}

func (d *document) capability(first json.Token) Capability {
	var c Capability
	var subjects subjects
	var sound []bool // of each host: nothing is wrong with it as a text
	d.object(first,
		member{"name", "one of: " + strings.Join(knownCapabilities, ", "), func(t json.Token) {
			c.Name = d.oneOf(t, "capability", knownCapabilities)
		}},
		member{"reason", "a sentence that tells the operator what it is for", func(t json.Token) {
			before := len(d.problems) + d.omitted
			c.Reason = d.prose(t)
			if len(d.problems)+d.omitted == before && strings.TrimSpace(c.Reason) == "" {
				d.report("is empty; tell the operator what the capability is for")
			}
		}},
		member{"hosts", "", func(t json.Token) {
			subjects.hosts = true
			d.array(t, 1, maxHosts, "hosts", func(_ int, t json.Token) {
				before := len(d.problems) + d.omitted
				c.Hosts = append(c.Hosts, d.host(t))
				sound = append(sound, len(d.problems)+d.omitted == before)
			})
		}},
		member{"secrets", "", func(t json.Token) {
			subjects.secrets = true
			c.Secrets = d.secrets(t)
		}},
	)
	if first == json.Delim('{') {
		d.checkSubjects(c.Name, subjects)
		d.checkHosts(c, sound)
	}
	return c
}

func (d *document) command(first json.Token) Command {
	var c Command
	ids := positions{}
	d.object(first,
		member{"name", "the command's name, such as \"GetForecast\"", func(t json.Token) { c.Name = d.identifier(t) }},
		member{"description", "", func(t json.Token) { c.Description = d.prose(t) }},
		member{"async", "", func(t json.Token) { c.Async = d.boolean(t) }},
		member{"task_data", "", func(t json.Token) { c.TaskData = d.boolean(t) }},
		member{"parameters", "", func(t json.Token) {
			d.array(t, 0, maxParameters, "parameters", func(i int, t json.Token) {
				p := d.parameter(t)
				d.once(ids, p.ID, "parameters", "id", i)
				c.Parameters = append(c.Parameters, p)
			})
		}},
	)
	return c
}

func (d *document) parameter(first json.Token) Parameter {
	var p Parameter
	d.object(first,
		member{"id", "the parameter's name, such as \"city\"", func(t json.Token) {
			p.ID = d.identifier(t)
			if strings.HasPrefix(p.ID, reservedPrefix) {
				d.report("is " + quote(p.ID) + "; names that begin with " + reservedPrefix + " belong to the workflow engine, choose another")
			}
		}},
		member{"type", "one of: " + strings.Join(knownTypes, ", "), func(t json.Token) { p.Type = Type(d.oneOf(t, "type", knownTypes)) }},
		member{"required", "", func(t json.Token) { p.Required = d.boolean(t) }},
		member{"description", "", func(t json.Token) { p.Description = d.prose(t) }},
		member{"secret", "", func(t json.Token) { p.Secret = d.boolean(t) }},
	)
	return p
}

// positions remembers where in a list a name was first used.
type positions map[string]int

// once reports a name that an earlier element of the list has. The empty name is a problem already reported.
func (d *document) once(taken positions, name, list, memberName string, i int) {
	if name == "" {
		return
	}
	if at, ok := taken[name]; ok {
		d.reportAt(memberName, fmt.Sprintf("is %s, like that of %s[%d]; give each its own", quote(name), list, at))
		return
	}
	taken[name] = i
}

func (d *document) connectorName(first json.Token) string {
	s, ok := d.text(first)
	if ok && !ValidName(s) {
		d.report("is " + quote(s) + "; " + nameRule)
	}
	return s
}

// identifier reads a command's name or a parameter's id; a bad one is reported and becomes "".
func (d *document) identifier(first json.Token) string {
	s, ok := d.text(first)
	if ok && !validIdentifier(s) {
		d.report("is " + quote(s) + "; " + identifierRule)
		return ""
	}
	return s
}

func (d *document) version(first json.Token) string {
	s, ok := d.text(first)
	switch {
	case !ok || validVersion(s):
	case validVersion(strings.TrimPrefix(s, "v")):
		d.report("is " + quote(s) + "; write it without the v")
	default:
		d.report(fmt.Sprintf("is %s; write a semantic version of at most %d bytes, such as \"1.0.0\" or \"1.0.0-rc.1\"", quote(s), maxVersionBytes))
	}
	return s
}

// oneOf reads one of the known words; another is reported and becomes "".
func (d *document) oneOf(first json.Token, what string, known []string) string {
	s, ok := d.text(first)
	if !ok {
		return ""
	}
	for _, k := range known {
		if s == k {
			return s
		}
	}
	if n := nearest.Name(s, known); n != "" {
		d.report("is the unknown " + what + " " + quote(s) + "; did you mean " + quote(n) + "?")
	} else {
		d.report("is the unknown " + what + " " + quote(s) + "; known are " + strings.Join(known, ", "))
	}
	return ""
}

// prose reads text that people read: bounded, and with no control character but line feed and tab, so that it can't
// disturb a terminal or a log.
func (d *document) prose(first json.Token) string {
	s, ok := d.text(first)
	if !ok {
		return ""
	}
	d.checkLength(s, maxTextBytes)
	d.checkControls(s, "\n\t")
	return s
}

func (d *document) host(first json.Token) string {
	s, ok := d.text(first)
	if !ok {
		return ""
	}
	if s == "" {
		d.report("is empty; write a rule such as \"https://api.example.com\", or leave it out")
	}
	d.checkLength(s, maxHostBytes)
	d.checkControls(s, "")
	return s
}

func (d *document) checkLength(s string, most int) {
	if len(s) > most {
		d.report(fmt.Sprintf("has %d bytes; shorten it to at most %d", len(s), most))
	}
}

func (d *document) checkControls(s, allowed string) {
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			d.report(fmt.Sprintf("holds the control character %U; remove it", r))
			return
		}
	}
}
