// Probe is a connector for tests of the host: answers to asynchronous calls, bare answers, every type of parameter, and
// a crash.
package main

import (
	"encoding/json"

	sluice "sluice/guest-sdk/go"
)

type asyncOkParams struct {
	Note *string `sluice:"note"`
}

// asyncOk accepts the work where there is a callback URL, and does it where there is none.
func asyncOk(c *sluice.Call, p asyncOkParams) (sluice.Answer, error) {
	if c.CallbackURL() == "" {
		return sluice.JSON(map[string]bool{"sync": true}), nil
	}
	c.Log().Infof("accepted")
	return sluice.JSON(struct {
		Accepted bool    `json:"accepted"`
		Note     *string `json:"note"`
	}{true, p.Note}).WithStatus(202), nil
}

type asyncBodyStatusParams struct {
	UpstreamStatus int `sluice:"upstream_status"`
}

// asyncBodyStatus rejects the work with the status that it is told.
func asyncBodyStatus(_ *sluice.Call, p asyncBodyStatusParams) (sluice.Answer, error) {
	return sluice.JSON(map[string]bool{"started": false}),
		sluice.Errorf("AsyncStartRejected", p.UpstreamStatus, "The async command rejected the start request.")
}

type combineStringsParams struct {
	Arg1 string `sluice:"arg1,required"`
	Arg2 string `sluice:"arg2,required"`
}

type combined struct {
	CommandResponse struct {
		ExampleResponse string `json:"example_response"`
		Arg1            string `json:"arg1"`
		Arg2            string `json:"arg2"`
	} `json:"command_response"`
}

func combineStrings(_ *sluice.Call, p combineStringsParams) (combined, error) {
	var out combined
	out.CommandResponse.ExampleResponse = "whatever you want"
	out.CommandResponse.Arg1 = p.Arg1
	out.CommandResponse.Arg2 = p.Arg2
	return out, nil
}

type crashParams struct {
	Why      string          `sluice:"why"`
	N        int             `sluice:"n"`
	Flag     bool            `sluice:"flag"`
	Data     json.RawMessage `sluice:"data"`
	AnyThing json.RawMessage `sluice:"any_thing"`
	Two      json.RawMessage `sluice:"two"`
}

func crash(_ *sluice.Call, p crashParams) (sluice.Answer, error) { panic(p.Why) }

type v1Params struct {
	Status   sluice.Optional[int]    `sluice:"status"`
	Response sluice.Optional[string] `sluice:"response"`
	Mimetype sluice.Optional[string] `sluice:"mimetype"`
}

func v1(_ *sluice.Call, p v1Params) (sluice.Answer, error) {
	return sluice.Bare(p.Status.Or(200), p.Mimetype.Or("application/json"), []byte(p.Response.Or("{}"))), nil
}

func init() {
	sluice.Connector{
		Name:        "probe",
		Version:     "1.0.0",
		Description: "Answers of every kind, for tests.",
	}.Register(
		sluice.Command("AsyncOk", "Accepts work, or does it at once.", asyncOk, sluice.Async()),
		sluice.Command("AsyncBodyStatus", "Rejects work with a status.", asyncBodyStatus, sluice.Async()),
		sluice.Command("CombineStrings", "Answers with both strings.", combineStrings),
		sluice.Command("Crash", "Fails without an answer.", crash),
		sluice.Command("V1", "Answers without an envelope.", v1),
	)
}

func main() {}
