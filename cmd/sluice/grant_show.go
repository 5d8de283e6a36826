package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/internal/quantity"
	"sluice/runtime"
	"sluice/runtime/server"

	"github.com/goccy/go-yaml"
)

// sizeText is a number of bytes as settings and grants have it.
func sizeText[N int | int64 | uint64](n N) string {
	text := quantity.FormatSize(int64(n))
	if strings.HasSuffix(text, "B") {
		return text
	}
	return text + " bytes"
}

// described is a name with what people say of it, where they do.
func described(name, description string) string {
	if description == "" {
		return shown(name)
	}
	return shown(name) + ": " + shown(description)
}

// printGrant prints a grant as the configuration file has it.
func printGrant(out io.Writer, indent string, grant json.RawMessage) error {
	var members yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(grant, &members, yaml.UseOrderedMap()); err != nil {
		return fmt.Errorf("the server did not answer as Sluice does: see whether --server is its address")
	}
	if len(members) == 0 {
		fmt.Fprintln(out, indent+"{}")
		return nil
	}
	text, err := yaml.MarshalWithOptions(members, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fmt.Fprintln(out, indent+shown(strings.TrimRight(line, "\n")))
	}
	return nil
}

// showGrant prints what a connector is granted, beside what it asks for.
func showGrant(out io.Writer, info server.GrantInfo) error {
	fmt.Fprintf(out, "%s is granted (%s)\n", shown(info.Connector), sourceOf(info.Source))
	if err := printGrant(out, "  ", info.Grant); err != nil {
		return err
	}
	fmt.Fprintf(out, "a call may have %s of memory, responses of %s, streamed ones of %s, an answer of %s, and %s\n", sizeText(info.Limits.Memory),
		sizeText(info.Limits.Response), sizeText(info.Limits.Stream), sizeText(info.Limits.Output), quantity.FormatDuration(time.Duration(info.Limits.DeadlineMS)*time.Millisecond))
	for _, name := range info.UndefinedSecrets {
		fmt.Fprintf(out, "the secret %s is not defined any more: define it under secrets in the configuration file, or grant without it\n", shown(name))
	}
	fmt.Fprintln(out, "it asks for")
	showRequested(out, info.Requested)
	if g, err := runtime.ParseGrant(info.Grant); err == nil { // else it is of a newer server
		for _, part := range runtime.Unneeded(g, info.Requested) {
			fmt.Fprintf(out, "%s covers nothing that %s asks for\n", shown(part), shown(info.Connector))
		}
	}
	return nil
}

func sourceOf(s runtime.GrantSource) string {
	switch s {
	case runtime.GrantFromFile:
		return "by the configuration file"
	case runtime.GrantFromCatalog:
		return "by management"
	case runtime.GrantShipped:
		return "as shipped"
	}
	return "by nobody"
}

// showRequested prints what is asked for, and what of it is granted.
func showRequested(out io.Writer, requested []runtime.Requested) {
	if len(requested) == 0 {
		fmt.Fprintln(out, "  nothing")
	}
	reason := ""
	for _, q := range requested {
		if q.Capability+q.Reason != reason {
			reason = q.Capability + q.Reason
			fmt.Fprintf(out, "  %s: %s\n", shown(q.Capability), shown(q.Reason))
		}
		fmt.Fprintln(out, strings.TrimRight("    "+shown(string(q.State))+" "+shown(q.Item), " "))
		for _, part := range q.Granted {
			fmt.Fprintf(out, "      granted is %s\n", shown(part))
		}
		if q.Add != "" {
			fmt.Fprintf(out, "      the grant lacks %s\n", shown(q.Add))
		}
		if q.Problem != "" {
			fmt.Fprintf(out, "      it %s\n", shown(q.Problem))
		}
	}
}
