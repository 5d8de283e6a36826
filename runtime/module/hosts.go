package module

import "strings"

// NativeHost returns the functions of sluice:host/v1, as in guest-sdk/ABI.md.
func NativeHost() *HostModule { return nativeHost }

// WASIHost returns the 46 functions of wasi_snapshot_preview1. All of them link; those that this host does not
// implement answer ENOSYS when called.
//
// https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/witx/wasi_snapshot_preview1.witx
func WASIHost() *HostModule { return wasiHost }

var nativeHost = newHost(ModuleNative, map[string]string{
	"size":         "i -> I",
	"read":         "i I i i -> i",
	"close":        "i -> i",
	"write":        "i i -> i",
	"answer":       "i i -> i",
	"log":          "i i i -> i",
	"random":       "i i -> i",
	"now":          "-> I",
	"sleep":        "I -> i",
	"http_send":    "i i i i -> i",
	"http_status":  "i -> i",
	"http_header":  "i i i i i -> i",
	"cache_get":    "i i -> i",
	"cache_put":    "i i i i I -> i",
	"cache_delete": "i i -> i",
	"is_json":      "i -> i",
	"write_from":   "i -> i",
	"tcp_open":     "i i -> i",
	"tcp_read":     "i i i I -> i",
	"tcp_write":    "i i i I -> i",
	"tcp_tls":      "i i i -> i",
	"secret":       "i i i i -> i",
	"secret_value": "i i -> i",
	"hmac":         "i i i i i i -> i",
})

var wasiHost = newHost(ModuleWASI, map[string]string{
	"args_get":                "i i -> i",
	"args_sizes_get":          "i i -> i",
	"environ_get":             "i i -> i",
	"environ_sizes_get":       "i i -> i",
	"clock_res_get":           "i i -> i",
	"clock_time_get":          "i I i -> i",
	"fd_advise":               "i I I i -> i",
	"fd_allocate":             "i I I -> i",
	"fd_close":                "i -> i",
	"fd_datasync":             "i -> i",
	"fd_fdstat_get":           "i i -> i",
	"fd_fdstat_set_flags":     "i i -> i",
	"fd_fdstat_set_rights":    "i I I -> i",
	"fd_filestat_get":         "i i -> i",
	"fd_filestat_set_size":    "i I -> i",
	"fd_filestat_set_times":   "i I I i -> i",
	"fd_pread":                "i i i I i -> i",
	"fd_prestat_get":          "i i -> i",
	"fd_prestat_dir_name":     "i i i -> i",
	"fd_pwrite":               "i i i I i -> i",
	"fd_read":                 "i i i i -> i",
	"fd_readdir":              "i i i I i -> i",
	"fd_renumber":             "i i -> i",
	"fd_seek":                 "i I i i -> i",
	"fd_sync":                 "i -> i",
	"fd_tell":                 "i i -> i",
	"fd_write":                "i i i i -> i",
	"path_create_directory":   "i i i -> i",
	"path_filestat_get":       "i i i i i -> i",
	"path_filestat_set_times": "i i i i I I i -> i",
	"path_link":               "i i i i i i i -> i",
	"path_open":               "i i i i i I I i i -> i",
	"path_readlink":           "i i i i i i -> i",
	"path_remove_directory":   "i i i -> i",
	"path_rename":             "i i i i i i -> i",
	"path_symlink":            "i i i i i -> i",
	"path_unlink_file":        "i i i -> i",
	"poll_oneoff":             "i i i i -> i",
	"proc_exit":               "i ->",
	"proc_raise":              "i -> i",
	"sched_yield":             "-> i",
	"random_get":              "i i -> i",
	"sock_accept":             "i i i -> i",
	"sock_recv":               "i i i i i i -> i",
	"sock_send":               "i i i i i -> i",
	"sock_shutdown":           "i i -> i",
})

// newHost makes a list from signatures in which i stands for i32 and I for i64.
func newHost(name string, signatures map[string]string) *HostModule {
	functions := make(map[string]FuncType, len(signatures))
	for function, signature := range signatures {
		params, results, _ := strings.Cut(signature, "->")
		functions[function] = FuncType{Params: letters(params), Results: letters(results)}
	}
	return &HostModule{name: name, functions: functions}
}

func letters(s string) []ValueType {
	var types []ValueType
	for _, letter := range s {
		switch letter {
		case 'i':
			types = append(types, I32)
		case 'I':
			types = append(types, I64)
		}
	}
	return types
}
