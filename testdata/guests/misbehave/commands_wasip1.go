package main

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"time"

	sluice "sluice/guest-sdk/go"
)

type none struct{}

func init() {
	definitions := []sluice.Definition{
		sluice.Command("Trap", "Panics, which ends in a trap.", trap),
		sluice.Command("Exit", "Exits with the status 3.", exit),
		sluice.Command("Spin", "Loops for ever.", spin),
		sluice.Command("Grow", "Allocates until memory ends.", grow),
		sluice.Command("BigOutput", "Answers with a string of n bytes.", bigOutput),
		sluice.Command("Sleep", "Answers after some milliseconds.", sleep),
		sluice.Command("Env", "Answers with what it sees of its surroundings.", env),
		sluice.Command("Rand", "Answers with 16 bytes of each source of randomness.", random),
		sluice.Command("Stash", "Keeps a value in memory, and answers with the one it finds there.", stash),
		sluice.Command("Log", "Logs a line again and again.", log),
		sluice.Command("Count", "Answers with how often it was called, which it keeps in the cache.", count),
		sluice.Command("Fetch", "Answers with what a URL gives.", fetch),
		sluice.Command("Secret", "Sends what stands for a secret wherever it is told to, tells it, and answers with what came back.", useSecret),
		sluice.Command("SecretValue", "Reads a secret, logs it, and answers with its length.", readSecret),
		sluice.Command("Sign", "Signs a text with a secret, logs what it is told to, and answers with the signature.", sign),
	}
	first := uint32(len(definitions))
	for _, r := range raw {
		definitions = append(definitions, r.definition)
	}
	sluice.Connector{
		Name:        "misbehave",
		Version:     "1.0.0",
		Description: "Does everything wrong, for tests.",
		Capabilities: []sluice.Capability{
			sluice.HTTP("fetches what the tests tell it to", "http://*", "https://*"),
			sluice.Cached("counts its calls"),
			sluice.Secrets("sends them where the tests tell it to", "canary", "other", "ungranted"),
		},
	}.Register(definitions...)
	registerRaw(first)
}

type countParams struct {
	Each int `sluice:"each"` // how many more bytes of the cache each call takes
}

func count(c *sluice.Call, p countParams) (int, error) {
	value, _, err := c.Cache().Get("count")
	if err != nil {
		return 0, err
	}
	each := 1 + p.Each
	return len(value)/each + 1, c.Cache().Put("count", append(value, make([]byte, each)...), time.Minute)
}

func trap(*sluice.Call, none) (sluice.Answer, error) { panic("this value must not be seen anywhere") }

func exit(*sluice.Call, none) (sluice.Answer, error) {
	os.Exit(3)
	return sluice.Answer{}, nil
}

func spin(*sluice.Call, none) (sluice.Answer, error) {
	for {
	}
}

// hoard keeps what grow allocates from the collector.
var hoard [][]byte

func grow(*sluice.Call, none) (sluice.Answer, error) {
	for {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i)
		}
		hoard = append(hoard, piece)
	}
}

type bigOutputParams struct {
	N int `sluice:"n,required" desc:"Length of the answer's string in bytes"`
}

func bigOutput(_ *sluice.Call, p bigOutputParams) (sluice.Answer, error) {
	return sluice.Text(strings.Repeat("x", p.N)), nil
}

type sleepParams struct {
	MS int `sluice:"ms,required" desc:"Milliseconds"`
}

func sleep(c *sluice.Call, p sleepParams) (sluice.Answer, error) {
	c.Sleep(time.Duration(p.MS) * time.Millisecond)
	return sluice.JSON(map[string]int{"slept_ms": p.MS}), nil
}

func env(*sluice.Call, none) (sluice.Answer, error) {
	outcome := func(err error) string {
		if err != nil {
			return err.Error()
		}
		return "allowed"
	}
	_, readErr := os.ReadFile("/etc/passwd")
	_, listErr := os.ReadDir("/")
	writeErr := os.WriteFile("/tmp/misbehave", []byte("x"), 0o600)
	return sluice.JSON(map[string]any{
		"environ":    os.Environ(),
		"args":       os.Args,
		"read_file":  outcome(readErr),
		"list_dir":   outcome(listErr),
		"write_file": outcome(writeErr),
	}), nil
}

func random(c *sluice.Call, _ none) (sluice.Answer, error) {
	var system, host, generator [16]byte
	if _, err := rand.Read(system[:]); err != nil {
		return sluice.Answer{}, err
	}
	c.Random(host[:])
	for i := range generator {
		generator[i] = byte(c.Rand().Uint32())
	}
	return sluice.JSON(map[string]string{
		"crypto_rand": hex.EncodeToString(system[:]),
		"call_random": hex.EncodeToString(host[:]),
		"call_rand":   hex.EncodeToString(generator[:]),
	}), nil
}

var (
	stashed string
	buffer  = make([]byte, 0, 1<<16)
)

type stashParams struct {
	Value string `sluice:"value,required"`
}

// stash answers with empty strings in every call, or something survived the last one.
func stash(_ *sluice.Call, p stashParams) (sluice.Answer, error) {
	found := map[string]string{"global": stashed, "heap": string(buffer)}
	stashed = p.Value
	buffer = append(buffer[:0], p.Value...)
	return sluice.JSON(found), nil
}

type logParams struct {
	Line  string `sluice:"line,required"`
	Times int    `sluice:"times,required"`
}

func log(c *sluice.Call, p logParams) (sluice.Answer, error) {
	for range p.Times {
		c.Log().Infof("%s", p.Line)
	}
	return sluice.JSON(map[string]int{"logged": p.Times}), nil
}

type fetchParams struct {
	URL string `sluice:"url,required"`
}

func fetch(c *sluice.Call, p fetchParams) (sluice.Answer, error) {
	response, err := c.HTTP(sluice.Request{URL: p.URL})
	if err != nil {
		return sluice.Answer{}, err
	}
	body, err := response.Body.Bytes()
	if err != nil {
		return sluice.Answer{}, err
	}
	return sluice.JSON(map[string]any{"status": response.Status, "body": string(body)}).WithStatus(response.Status), nil
}

type secretParams struct {
	Name     string   `sluice:"name,required"`
	Method   string   `sluice:"method"`
	URL      string   `sluice:"url,required" desc:"@ becomes what stands for the secret, in the members below too"`
	Headers  []string `sluice:"headers" desc:"Names and values in turn"`
	Body     string   `sluice:"body"`
	Password string   `sluice:"password,secret" desc:"Is logged"`
}

func useSecret(c *sluice.Call, p secretParams) (sluice.Answer, error) {
	reference, err := c.Secret(p.Name)
	if err != nil {
		return sluice.Answer{}, err
	}
	put := func(s string) string { return strings.ReplaceAll(s, "@", reference) }
	r := sluice.Request{Method: p.Method, URL: put(p.URL), Body: []byte(put(p.Body))}
	for i := 0; i+1 < len(p.Headers); i += 2 {
		r.Header.Add(put(p.Headers[i]), put(p.Headers[i+1]))
	}
	c.Log().Infof("sends %s with %s", reference, p.Password)
	response, err := c.HTTP(r)
	if err != nil {
		return sluice.Answer{}, err
	}
	body, err := response.Body.Bytes()
	if err != nil {
		return sluice.Answer{}, err
	}
	return sluice.JSON(map[string]any{"headers": response.Headers(), "body": string(body), "reference": reference}), nil
}

type secretValueParams struct {
	Name  string `sluice:"name,required"`
	Panic bool   `sluice:"panic" desc:"Prints the value too, and panics"`
}

func readSecret(c *sluice.Call, p secretValueParams) (sluice.Answer, error) {
	value, err := c.SecretValue(p.Name)
	if err != nil {
		return sluice.Answer{}, err
	}
	c.Log().Infof("it is %s", value)
	if p.Panic {
		os.Stdout.WriteString("printed " + value + ".")
		panic("said all")
	}
	return sluice.JSON(map[string]int{"length": len(value)}), nil
}

type signParams struct {
	Name string `sluice:"name,required"`
	Hash string `sluice:"hash,required"`
	Text string `sluice:"text,required" desc:"@ becomes what stands for the secret"`
	Line string `sluice:"line" desc:"Is logged"`
}

func sign(c *sluice.Call, p signParams) (sluice.Answer, error) {
	if strings.Contains(p.Text, "@") {
		reference, err := c.Secret(p.Name)
		if err != nil {
			return sluice.Answer{}, err
		}
		p.Text = strings.ReplaceAll(p.Text, "@", reference)
	}
	mac, err := c.HMAC(p.Name, sluice.Hash(p.Hash), []byte(p.Text))
	if err != nil {
		return sluice.Answer{}, err
	}
	c.Log().Infof("%s", p.Line)
	return sluice.Text(hex.EncodeToString(mac)), nil
}
