// A program that sends every kind of metric that datadog-go has, and ends. Arguments: how the client sends (`direct`,
// `buffered`, `aggregated` or `packed`) and the Unix time of stamped points.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

var modes = map[string][]statsd.Option{
	"direct":     {statsd.WithoutClientSideAggregation(), statsd.WithMaxMessagesPerPayload(1)},
	"buffered":   {statsd.WithoutClientSideAggregation()},
	"aggregated": {},
	"packed":     {statsd.WithExtendedClientSideAggregation()},
}

func main() {
	stamp, err := strconv.ParseInt(os.Args[2], 10, 64)
	check(err)
	failed := statsd.WithErrorHandler(func(err error) { check(err) })
	client, err := statsd.NewDirect("127.0.0.1:8125", append(modes[os.Args[1]], failed)...)
	check(err)
	sendEverything(client, time.Unix(stamp, 0))
	check(client.Flush())
	told := client.GetTelemetry()
	check(client.Close())
	if told.TotalPayloadsDropped != 0 {
		check(fmt.Errorf("%d payloads dropped", told.TotalPayloadsDropped))
	}
}

// What the clients of all languages send.
func sendEverything(client *statsd.ClientDirect, stamp time.Time) {
	book := []string{"kind:book"}
	check(client.Incr("shop.plain", nil, 1))
	check(client.Incr("shop.orders", book, 1))
	check(client.Incr("shop.orders", book, 1))
	check(client.Count("shop.orders", 5, book, 1))
	check(client.Decr("shop.orders", book, 1))
	check(client.Decr("shop.orders", book, 1))
	check(client.Incr("shop.orders", []string{"kind:pen", "new"}, 1))
	check(client.Gauge("shop.stock", 10, []string{"depot:north"}, 1))
	check(client.Gauge("shop.stock", 7.5, []string{"depot:north"}, 1))
	for _, value := range []float64{1, 2.5, 40} {
		check(client.Distribution("shop.size", value, []string{"city:Zürich"}, 1))
	}
	for value := 0; value < 1000; value++ {
		check(client.Distribution("shop.load", float64(value), nil, 1))
	}
	for number := 0; number < 300; number++ {
		check(client.Incr("shop.item", []string{fmt.Sprintf("item:%d", number%100)}, 1))
	}
	check(client.CountWithTimestamp("shop.late", 2, nil, 1, stamp))
	check(client.CountWithTimestamp("shop.late", 3, nil, 1, stamp))
	check(client.GaugeWithTimestamp("shop.level", 4.25, nil, 1, stamp))
	for _, value := range []float64{3, 4} {
		check(client.Histogram("shop.latency", value, nil, 1))
	}
	check(client.Timing("shop.work", 120*time.Millisecond, nil, 1))
	check(client.TimeInMilliseconds("shop.work", 80, nil, 1))
	for _, visitor := range []string{"anna", "ben"} {
		check(client.Set("shop.visitors", visitor, nil, 1))
	}
	check(client.SimpleEvent("Opened", "The shop is open.\nCome in."))
	check(client.SimpleServiceCheck("shop.door", statsd.Ok))
	// The sampling is the caller's here, so its outcome is known.
	check(client.DistributionSamples("shop.sampled.size", []float64{1, 2.5, 40}, nil, 0.25))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
