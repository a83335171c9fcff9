import java.io.IOException;
import java.io.InputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A network between clients and broker that can be cut. */
final class Relay implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0);
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();

    Relay(int port) throws IOException {
        start(() -> {
            while (true) {
                Socket client = listener.accept();
                Socket broker = new Socket("localhost", port);
                sockets.add(client);
                sockets.add(broker);
                start(() -> copy(client, broker));
                start(() -> copy(broker, client));
            }
        });
    }

    int port() {
        return listener.getLocalPort();
    }

    /** Ends every connection without a word. */
    void cut() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        sockets.clear();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }

    private static void copy(Socket from, Socket to) throws IOException {
        try (from; to; InputStream input = from.getInputStream()) {
            input.transferTo(to.getOutputStream());
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                // The connection has ended, which is what a network may do.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
