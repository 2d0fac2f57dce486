import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;

/** A login form served by the JDK's own HTTP server, which sends head and body separately. */
public class FormLogin {
    public static void main(String[] arguments) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/login", exchange -> {
            var form = new HashMap<String, String>();
            var text = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            for (var field : text.split("&")) {
                var parts = field.split("=", 2);
                form.put(parts[0], URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
            }
            var right = "alice".equals(form.get("username"))
                && "wonder:land & ü".equals(form.get("password"));
            exchange.getResponseHeaders().set("Location", right ? "/account" : "/login?error=1");
            var body = "see the other page".getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(302, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        System.out.println(server.getAddress().getPort());
    }
}
