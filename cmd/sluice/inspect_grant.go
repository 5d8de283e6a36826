package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"sluice/internal/config"
	"sluice/runtime"
	"sluice/runtime/server"
)

// grantsOf are the grants of a configuration file, nil for none.
func grantsOf(file string) (map[string]runtime.Grant, error) {
	if file == "" {
		return nil, nil
	}
	// Only what is in the file counts here: the variables are those of the server.
	c, err := config.LoadWithoutKey(file, func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		return nil, err
	}
	return c.Grants, nil
}

// askServer holds what the module asks for against what a server grants the connector of its name.
func (r *report) askServer(c *client) error {
	path := "/admin/v1/connectors/" + url.PathEscape(r.Manifest.Name) + "/grant"
	if status, _, err := c.send("GET", path, "", nil); err != nil {
		return err
	} else if status == http.StatusNotFound {
		return nil // it is granted nothing there, as here
	}
	var info server.GrantInfo
	if err := c.manage("GET", path, "", nil, &info); err != nil {
		return err
	}
	g, err := runtime.ParseGrant(info.Grant)
	if err != nil {
		return fmt.Errorf("the server's grant for %s is not one that this version knows: %w", r.Manifest.Name, err)
	}
	r.GrantSource, r.Requested = info.Source, runtime.RequestedUnder(r.Manifest, g)
	return nil
}

// inspectInstalled shows a connector of a server.
func (c *client) inspectInstalled(out io.Writer, name string, asJSON bool) error {
	path := "/admin/v1/connectors/" + url.PathEscape(name)
	var info server.ConnectorInfo
	if err := c.manage("GET", path, "", nil, &info); err != nil {
		return fmt.Errorf("%q is no file; as a connector: %w", name, err)
	}
	var grant server.GrantInfo
	if err := c.manage("GET", path+"/grant", "", nil, &grant); err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, struct {
			server.ConnectorInfo
			Grant server.GrantInfo `json:"grant"`
		}{info, grant})
	}
	fmt.Fprintln(out, described(info.Name+" "+info.Version, info.Description))
	fmt.Fprintf(out, "  ABI %s, %d bytes, sha256 %s, %s since %s\n", shown(info.ABI), info.Size, shown(info.SHA256), stateOf(info), info.InstalledAt.Format("2006-01-02 15:04:05Z"))
	if info.Unavailable != "" {
		fmt.Fprintf(out, "  unavailable: %s\n", shown(info.Unavailable))
	}
	fmt.Fprintf(out, "  commands %s\n", shown(strings.Join(info.Commands, " ")))
	return showGrant(out, grant)
}
