//go:build stdjson

package codec

import "encoding/json"

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

func unmarshal(text []byte, v any) error { return json.Unmarshal(text, v) }
