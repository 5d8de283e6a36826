module sluice/testdata/guests/postgres

go 1.26.0

require (
	github.com/lib/pq v1.12.3
	sluice v0.0.0
)

replace sluice => ../../..
