//go:build !stdjson

package codec

import "github.com/bytedance/sonic"

func marshal(v any) ([]byte, error) { return sonic.ConfigStd.Marshal(v) }

func unmarshal(text []byte, v any) error { return sonic.ConfigStd.Unmarshal(text, v) }
