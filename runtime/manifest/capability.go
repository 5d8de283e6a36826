package manifest

import (
	"encoding/json"
	"strings"
)

const maxSecrets = 64

// subjects are the members of a capability that say what of it is asked for, as far as they are there.
type subjects struct{ hosts, secrets bool }

// checkSubjects reports what a capability lacks that is its subject, and what belongs to another one.
func (d *document) checkSubjects(name string, there subjects) {
	switch name {
	case "":
	case CapabilityCache:
		if there.hosts {
			d.reportAt("hosts", "does not belong to the capability cache; leave it out")
		}
		if there.secrets {
			d.reportAt("secrets", "belongs to the capability secret; leave it out")
		}
	case CapabilitySecret:
		if !there.secrets {
			d.reportAt("secrets", "is missing; add the names of the secrets it needs, such as [\"api-token\"]")
		}
		if there.hosts {
			d.reportAt("hosts", "does not belong to the capability secret; leave it out")
		}
	default:
		if !there.hosts {
			d.reportAt("hosts", "is missing; add the hosts it needs, such as [\"https://api.example.com\"]")
		}
		if there.secrets {
			d.reportAt("secrets", "belongs to the capability secret; leave it out")
		}
	}
}

// checkHosts reports hosts that are no rules, of those that are sound as texts. It comes when the capability has been read,
// because its name may come last.
func (d *document) checkHosts(c Capability, sound []bool) {
	check := d.rules[c.Name]
	if check == nil {
		return
	}
	d.path = append(d.path, step{name: "hosts"})
	defer func() { d.path = d.path[:len(d.path)-1] }()
	for i, host := range c.Hosts {
		if !sound[i] {
			continue
		}
		if err := check(host); err != nil {
			d.path = append(d.path, step{index: i})
			d.report("is no rule" + shownHost(host) + ": " + err.Error())
			d.path = d.path[:len(d.path)-1]
		}
	}
}

// shownHost is a host that is no rule, for a problem. It may hold a credential, which is not repeated.
func shownHost(host string) string {
	if strings.ContainsAny(host, "@?#") {
		return ""
	}
	return " (" + quote(host) + ")"
}

// secrets reads the names of secrets.
func (d *document) secrets(first json.Token) []string {
	var names []string
	taken := positions{}
	d.array(first, 1, maxSecrets, "secrets", func(i int, t json.Token) {
		name := d.connectorName(t)
		if _, again := taken[name]; again && name != "" {
			d.report("is " + quote(name) + " again; leave one of them out")
		}
		taken[name] = i
		names = append(names, name)
	})
	return names
}
