import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** Something that has to go well. */
record Check(String name, Body body) {
    static final ExecutorService THREADS = Executors.newCachedThreadPool();

    interface Body {
        void run(String name) throws Exception;
    }

    /** Runs all of them at once, prints the name of each that went well, and ends the program. */
    static void runAll(Check... checks) {
        var running = Stream.of(checks).map(check -> CompletableFuture.supplyAsync(check::isPassed, THREADS)).toList();
        long failed = running.stream().filter(check -> !check.join()).count();
        System.exit(failed == 0 ? 0 : 1);
    }

    private boolean isPassed() {
        try {
            body.run(name);
            System.out.println(name);
            return true;
        } catch (Throwable error) {
            var ours = Stream.of(error.getStackTrace()).filter(frame -> !frame.getClassName().contains("."));
            System.out.println(name + " failed: " + error + " at " + ours.toList());
            return false;
        }
    }

    static void that(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object expected, Object found) {
        that(Objects.equals(expected, found), "expected " + expected + ", found " + found);
    }

    static <T> T present(T value, String otherwise) {
        that(value != null, otherwise);
        return value;
    }

    static void eventually(String what, BooleanSupplier holds) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Endpoint.PATIENCE_SECONDS);
        while (!holds.getAsBoolean()) {
            that(System.nanoTime() < deadline, "never happened: " + what);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }
}
