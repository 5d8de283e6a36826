// Http in Go, with the SDK: as much of the bundled connector http as the end-to-end benchmark calls. Its GetRequest
// answers as the bundled one does where the parameters are url and headers, an object, and the service says something in
// UTF-8, or nothing.
package main

import (
	"fmt"
	"strconv"
	"strings"

	sluice "sluice/guest-sdk/go"
)

const internalError = "INTERNAL_ERROR"

// Params is what GetRequest takes.
type Params struct {
	URL     string                         `sluice:"url,required" desc:"Absolute http or https URL"`
	Headers sluice.Optional[sluice.Header] `sluice:"headers" desc:"Request headers, an object"`
}

// GetRequest sends a request and answers with what the service said.
func GetRequest(c *sluice.Call, p Params) (sluice.Answer, error) {
	request := sluice.Request{URL: p.URL, Header: p.Headers.Or(nil)}
	for _, absent := range [][2]string{{"accept", "*/*"}, {"user-agent", "sluice-http/1.0.0"}} {
		if request.Header.Get(absent[0]) == "" {
			request.Header.Add(absent[0], absent[1])
		}
	}
	response, err := c.HTTP(request)
	if err != nil {
		return sluice.Answer{}, err
	}
	isJSON := strings.Contains(response.Header("content-type"), "application/json") && response.Body.Size() > 0
	if isJSON && response.Status < 300 && response.Body.IsJSON() {
		return sluice.RawFrom(response.Body).WithStatus(response.Status).WithHeaders(sluice.Header{}), nil
	}
	return failed(response, isJSON)
}

// failed answers what is no JSON, or no success.
func failed(response *sluice.Response, isJSON bool) (sluice.Answer, error) {
	body, err := response.Body.Bytes()
	if err != nil {
		return sluice.Answer{}, err
	}
	valid := isJSON && sluice.ValidJSON(body)
	answer := sluice.Raw(body)
	if !valid {
		answer = sluice.JSON(map[string]string{"raw_response": string(body)})
	}
	answer = answer.WithStatus(response.Status).WithHeaders(sluice.Header{})
	switch {
	case response.Status >= 300:
		message := fmt.Sprintf("HTTP %d error from service. Response: %s", response.Status, body)
		return answer, sluice.Errorf("HttpError"+strconv.Itoa(response.Status), response.Status, "%s", message)
	case isJSON && !valid:
		return answer, sluice.Errorf(internalError, response.Status, "The service says that its response is JSON, but it is none.")
	}
	return answer, nil
}

func init() {
	sluice.Connector{
		Name: "http", Version: "1.0.0", Description: "Calls any HTTP service",
		Capabilities: []sluice.Capability{
			sluice.HTTP("sends the requests that workflow models describe", "http://*", "https://*"),
		},
	}.Register(
		sluice.Command("GetRequest", "Sends a GET request", GetRequest),
	)
}

func main() {}
