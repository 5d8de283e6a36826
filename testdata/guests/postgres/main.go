// Postgres is a connector for tests with a real database: it asks by an ordinary driver, over connections that the host
// opens and on which the host speaks TLS. It is a module of its own, so that the driver is no dependency of Sluice.
package main

import (
	"context"
	"database/sql"
	"net"
	"strconv"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/guest-sdk/go/netconn"

	"github.com/lib/pq"
)

type queryParams struct {
	Address  string `sluice:"address,required"`
	Database string `sluice:"database,required"`
	User     string `sluice:"user,required"`
	Password string `sluice:"password,required,secret"`
	Clear    bool   `sluice:"clear" desc:"without TLS"`
	SQL      string `sluice:"sql,required"`
	Args     []any  `sluice:"args"`
	Millis   int    `sluice:"timeout_ms"`
}

type queryResult struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

func query(c *sluice.Call, p queryParams) (queryResult, error) {
	ctx, cancel := context.WithDeadline(context.Background(), c.Deadline())
	defer cancel()
	if p.Millis > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(p.Millis)*time.Millisecond)
		defer cancel()
	}
	connector, err := connectorOf(c, p)
	if err != nil {
		return queryResult{}, failure(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	rows, err := db.QueryContext(ctx, p.SQL, p.Args...)
	if err != nil {
		return queryResult{}, failure(err)
	}
	defer rows.Close()
	result := queryResult{Rows: [][]any{}}
	if result.Columns, err = rows.Columns(); err != nil {
		return queryResult{}, failure(err)
	}
	for rows.Next() {
		row := make([]any, len(result.Columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return queryResult{}, failure(err)
		}
		for i, value := range row {
			if text, ok := value.([]byte); ok {
				row[i] = string(text)
			}
		}
		result.Rows = append(result.Rows, row)
	}
	return result, failure(rows.Err())
}

// connectorOf is what opens the driver's connections. The driver is told nothing of TLS.
func connectorOf(c *sluice.Call, p queryParams) (*pq.Connector, error) {
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	connector, err := pq.NewConnectorConfig(pq.Config{
		Host: host, Port: uint16(number), Database: p.Database, User: p.User, Password: p.Password, SSLMode: pq.SSLModeDisable,
	})
	if err != nil {
		return nil, err
	}
	connector.Dialer(dialer{netconn.Dialer{Call: c}, p.Clear})
	return connector, nil
}

// dialer opens connections as the driver wants them, with TLS.
type dialer struct {
	netconn.Dialer
	clear bool
}

// DialContext implements pq.DialerContext.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil || d.clear {
		return conn, err
	}
	return conn, netconn.PostgresTLS(conn)
}

// DialTimeout implements pq.Dialer.
func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// Dial implements pq.Dialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func init() {
	sluice.Connector{
		Name: "postgres", Version: "1.0.0", Description: "Asks a PostgreSQL database.",
		Capabilities: []sluice.Capability{sluice.TCP("asks the database that its parameters name", "*:*")},
	}.Register(sluice.Command("Query", "Runs a query.", query))
}

func main() {}
