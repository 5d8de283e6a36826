package config

import (
	"reflect"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/runtime"
)

func TestLoad_GrantsEgress(t *testing.T) {
	c, err := load(t, `
grants:
  weather:
    http:
      - https://api.example.com
      - {rule: https://api.example.com/v2, methods: [GET, HEAD]}
      - rule: http://*
        methods: [POST]
      - {rule: https://x.example}
    redirects: 5
    retry: {on: [429, 503], attempts: 3, unsafe: true}
    proxy: http://proxy.internal:3128
    ca: /etc/ca.pem
    client_certificate: {certificate: /etc/c.pem, key: /etc/k.pem}
  other:
    redirects: 0
    retry: {attempts: 2}
`, nil, nil)
	want := map[string]runtime.Grant{
		"weather": {
			HTTP:      []string{"https://api.example.com", "GET,HEAD https://api.example.com/v2", "POST http://*", "https://x.example"},
			Redirects: 5, Retry: egress.Retry{Statuses: []int{429, 503}, Attempts: 3, Unsafe: true},
			Proxy: "http://proxy.internal:3128", CA: "/etc/ca.pem",
			ClientCertificate: runtime.ClientCertificate{Certificate: "/etc/c.pem", Key: "/etc/k.pem"},
		},
		"other": {Retry: egress.Retry{Attempts: 2}},
	}
	if err != nil || !reflect.DeepEqual(c.Grants, want) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoad_GrantsEgress_Errors(t *testing.T) {
	for grant, want := range map[string]string{
		"http: https://x":                                     "grants.a.http must be a list",
		"http: [7]":                                           "grants.a.http is wrong at item 1: it must be a text, or a mapping {rule: …, methods: […]}",
		"http: [{methods: [GET]}]":                            "grants.a.http is wrong at item 1: it has no rule",
		"http: [{rule: 7}]":                                   "grants.a.http is wrong at item 1: rule must be a text",
		"http: [{rule: https://x, method: [GET]}]":            `grants.a.http is wrong at item 1: it has the unknown member method; did you mean "methods"?`,
		"http: [https://y, {rule: https://x, methods: []}]":   "grants.a.http is wrong at item 2: it has no methods, which allows nothing",
		"http: [{rule: https://x, methods: [GET, get]}]":      `grants.a.http is wrong at item 1: get is no method that can be sent; did you mean "GET"?`,
		"http: [{rule: https://x, methods: [GET, 5]}]":        "grants.a.http is wrong at item 1: methods is wrong at item 2: it must be a text",
		"http: [{rule: https://x, methods: [TRACE]}]":         "grants.a.http is wrong at item 1: TRACE is no method that can be sent; there are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
		"http: [{rule: https://x, methods: GET}]":             "grants.a.http is wrong at item 1: methods must be a list",
		"redirects: 6":                                        "grants.a.redirects is not a number from 0 to 5",
		"redirects: -1":                                       "grants.a.redirects is not a number from 0 to 5",
		"redirects: yes":                                      "grants.a.redirects is not a number",
		"retry: 3":                                            "grants.a.retry must be a mapping",
		"retry: {on: [503]}":                                  "grants.a.retry needs attempts",
		"retry: {attempts: 1}":                                "grants.a.retry attempts is not a number from 2 to 5",
		"retry: {attempts: 6}":                                "grants.a.retry attempts is not a number from 2 to 5",
		"retry: {attempts: 2, on: 503}":                       "grants.a.retry on must be a list",
		"retry: {attempts: 2, on: [200]}":                     "grants.a.retry on holds a status that is not a number from 400 to 599",
		"retry: {attempts: 2, unsafe: 1}":                     "grants.a.retry unsafe is not true or false",
		"retry: {attempt: 2}":                                 `grants.a.retry has the unknown member attempt; did you mean "attempts"?`,
		"proxy: proxy:3128":                                   "an egress proxy is written http://host:port",
		"proxy: http://user:hunter2@proxy:3128":               "an egress proxy is written http://host:port",
		"proxy: 7":                                            "grants.a.proxy is not a text",
		"ca: ''":                                              "grants.a.ca is not the path of a file",
		"client_certificate: /x.pem":                          "grants.a.client_certificate must be a mapping",
		"client_certificate: {certificate: /x}":               "grants.a.client_certificate needs both",
		"client_certificate: {certificate: 7, key: /x}":       "grants.a.client_certificate certificate is not the path",
		"client_certificate: {certificat: /x, key: /x}":       `did you mean "certificate"`,
		"client_certificates: {certificate: /x, key: /x.pem}": `did you mean "client_certificate"`,
	} {
		_, err := load(t, "grants: {a: {"+grant+"}}", nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", grant, err, want)
		}
	}
}
