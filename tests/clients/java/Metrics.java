import com.timgroup.statsd.DirectStatsDClient;
import com.timgroup.statsd.Event;
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;
import com.timgroup.statsd.ServiceCheck;

/**
 * A program that sends every kind of metric that java-dogstatsd-client has, and ends. Arguments: how the client sends
 * (`direct`, `buffered` or `aggregated`) and the Unix time of stamped points.
 */
public class Metrics {
    public static void main(String[] arguments) {
        boolean isDirect = arguments[0].equals("direct");
        DirectStatsDClient client = new NonBlockingStatsDClientBuilder()
            .hostname("127.0.0.1")
            .port(8125)
            .blocking(true)
            .enableAggregation(arguments[0].equals("aggregated"))
            .maxPacketSizeBytes(isDirect ? 128 : 1432)
            .errorHandler(error -> { error.printStackTrace(); System.exit(1); })
            .buildDirectStatsDClient();
        sendEverything(client, Long.parseLong(arguments[1]));
        client.close();
    }

    /** What the clients of all languages send. */
    private static void sendEverything(DirectStatsDClient client, long stamp) {
        client.increment("shop.plain");
        client.increment("shop.orders", "kind:book");
        client.incrementCounter("shop.orders", "kind:book");
        client.count("shop.orders", 5, "kind:book");
        client.decrement("shop.orders", "kind:book");
        client.decrementCounter("shop.orders", "kind:book");
        client.increment("shop.orders", "kind:pen", "new");
        // 10 as a whole number would make the aggregating client cut the next value to one.
        client.gauge("shop.stock", 10.0, "depot:north");
        client.recordGaugeValue("shop.stock", 7.5, "depot:north");
        client.distribution("shop.size", 1, "city:Zürich");
        client.distribution("shop.size", 2.5, "city:Zürich");
        client.recordDistributionValue("shop.size", 40L, "city:Zürich");
        for (int value = 0; value < 1000; value++) client.distribution("shop.load", value);
        for (int number = 0; number < 300; number++) client.increment("shop.item", "item:" + number % 100);
        client.countWithTimestamp("shop.late", 2, stamp);
        client.countWithTimestamp("shop.late", 3, stamp);
        client.gaugeWithTimestamp("shop.level", 4.25, stamp);
        client.histogram("shop.latency", 3);
        client.recordHistogramValue("shop.latency", 4);
        client.time("shop.work", 120);
        client.recordExecutionTime("shop.work", 80);
        client.recordSetValue("shop.visitors", "anna");
        client.recordSetValue("shop.visitors", "ben");
        client.recordEvent(Event.builder().withTitle("Opened").withText("The shop is open.\nCome in.").build());
        client.serviceCheck(ServiceCheck.builder().withName("shop.door").withStatus(ServiceCheck.Status.OK).build());
        // The sampling is the caller's here, so its outcome is known.
        client.recordDistributionValues("shop.sampled.size", new double[] {1, 2.5, 40}, 0.25);
    }
}
