package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return fmt.Errorf("is empty")
		}
		*field(c) = v
		return nil
	}
}

func duration(least time.Duration, field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := parseDuration(v, least)
		*field(c) = d
		return err
	}
}

func parseDuration(v string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > 24*time.Hour {
		return 0, fmt.Errorf("is not a duration from %s to 24h, such as 40s or 1m30s", least)
	}
	return d, nil
}

func count(least, most int, field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("is not a number from %d to %d", least, most)
		}
		*field(c) = n
		return nil
	}
}

func size(least, most int64, set func(*Config, int64)) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := parseSize(v, least, most)
		if err == nil {
			set(c, n)
		}
		return err
	}
}

// parseSize reads a number of bytes, with KiB, MiB or GiB behind it or nothing.
func parseSize(v string, least, most int64) (int64, error) {
	number, shift := v, 0
	for unit, bits := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if n, ok := strings.CutSuffix(v, unit); ok {
			number, shift = strings.TrimSpace(n), bits
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > most>>shift || n<<shift < least {
		return 0, fmt.Errorf("is not a size from %d to %d bytes, such as 512KiB, 64MiB or 1GiB", least, most)
	}
	return n << shift, nil
}
