package config

import (
	"maps"
	"testing"
)

func TestMisspelt(t *testing.T) {
	got := Misspelt([]string{
		"SLUICE_POOL_MAXX=5", "SLUICE_POOL_MAX=5", "SLUICE_SERVER=x", "SLUICE_CALL_DEADLNE=1s", "PATH=/bin", "POOL_MAXX=5", "SLUICE_",
		"SLUICE_PORT_8200_TCP_ADDR=10.0.0.1", "SLUICE_SERVICE_HOST=10.0.0.1", // which Kubernetes sets for a service named sluice
	})
	want := map[string]string{"SLUICE_POOL_MAXX": "SLUICE_POOL_MAX", "SLUICE_CALL_DEADLNE": "SLUICE_CALL_DEADLINE"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
