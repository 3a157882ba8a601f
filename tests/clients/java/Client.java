import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;

/** Apache commons-net, told its tasks on standard input; see worker.py. */
public final class Client {
    private static final int TIMEOUT = 20_000;

    public static void main(String[] arguments) throws IOException {
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            System.out.println(answer(line.split("\t")));
        }
    }

    private static String answer(String[] task) {
        try {
            return "ok\t" + String.join("\t", perform(task));
        } catch (Exception error) {
            return "error\t" + error.toString().replaceAll("\\s+", " ");
        }
    }

    private static List<String> perform(String[] task) throws Exception {
        String tls = task[0];
        boolean implicit = Boolean.parseBoolean(task[1]);
        boolean active = Boolean.parseBoolean(task[2]);
        SSLContext context = trusting(Path.of(task[7]));
        FTPSClient ftp =
                Boolean.getBoolean("resume") ? new Resuming(implicit, context) : new FTPSClient(implicit, context);
        ftp.setEnabledProtocols(new String[] {"TLSv" + tls});
        ftp.setEndpointCheckingEnabled(true);
        ftp.setConnectTimeout(TIMEOUT);
        ftp.setDefaultTimeout(TIMEOUT);
        ftp.setDataTimeout(Duration.ofMillis(TIMEOUT));
        try {
            ftp.connect(task[3], Integer.parseInt(task[4]));
            must(ftp, ftp.login(task[5], task[6]));
            ftp.execPBSZ(0);
            ftp.execPROT("P");
            if (active) {
                ftp.enterLocalActiveMode();
            } else {
                ftp.enterLocalPassiveMode();
            }
            List<String> files = List.of(task).subList(11, task.length);
            List<String> listed = transfer(ftp, task[8], Path.of(task[9]), Path.of(task[10]), files);
            ftp.logout();
            return listed;
        } finally {
            ftp.disconnect();
        }
    }

    private static List<String> transfer(
            FTPSClient ftp, String directory, Path sent, Path received, List<String> files) throws IOException {
        must(ftp, ftp.setFileType(FTP.BINARY_FILE_TYPE));
        must(ftp, ftp.makeDirectory(directory));
        must(ftp, ftp.changeWorkingDirectory(directory));
        for (String name : files) {
            try (InputStream file = Files.newInputStream(sent.resolve(name))) {
                must(ftp, ftp.storeFile(name, file));
            }
        }
        var listed = new ArrayList<String>();
        for (FTPFile file : ftp.listFiles()) {
            listed.add(file.getName());
        }
        for (String name : files) {
            try (OutputStream file = Files.newOutputStream(received.resolve(name))) {
                must(ftp, ftp.retrieveFile(name, file));
            }
        }
        return listed;
    }

    private static void must(FTPSClient ftp, boolean done) throws IOException {
        if (!done) {
            throw new IOException(ftp.getReplyString());
        }
    }

    private static SSLContext trusting(Path authority) throws IOException, GeneralSecurityException {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream file = Files.newInputStream(authority)) {
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    /** JSSE looks a session up by host and port, and a data connection's port is another one (NET-408). */
    private static final class Resuming extends FTPSClient {
        private final SSLSessionContext sessions;
        private SSLSession session;
        private Object key;
        private Object ticket;

        Resuming(boolean implicit, SSLContext context) {
            super(implicit, context);
            sessions = context.getClientSessionContext();
        }

        @Override
        protected void _prepareDataSocket_(Socket socket) throws IOException {
            if (socket == null) {
                return; // the command was refused
            }
            try {
                if (session == null) {
                    session = resumable();
                    key = field(session, "preSharedKey").get(session);
                    ticket = field(session, "pskIdentity").get(session);
                }
                // JSSE uses a ticket of TLS 1.3 once, and where it uploads it reads no new one: it gets the first again.
                field(session, "preSharedKey").set(session, key);
                field(session, "pskIdentity").set(session, ticket);
                Object cache = field(sessions, "sessionHostPortCache").get(sessions);
                Method put = cache.getClass().getDeclaredMethod("put", Object.class, Object.class);
                put.setAccessible(true);
                String place = socket.getInetAddress().getHostAddress() + ":" + socket.getPort();
                put.invoke(cache, place.toLowerCase(Locale.ROOT), session);
            } catch (ReflectiveOperationException error) {
                throw new IOException(error);
            }
        }

        /** With TLS 1.3 the control connection's own session cannot be resumed; its tickets are sessions of their own. */
        private SSLSession resumable() throws IOException, ReflectiveOperationException {
            for (byte[] id : Collections.list(sessions.getIds())) {
                SSLSession each = sessions.getSession(id);
                if (!each.getProtocol().equals("TLSv1.3") || field(each, "preSharedKey").get(each) != null) {
                    return each;
                }
            }
            throw new IOException("the server has sent no ticket");
        }

        private static Field field(Object owner, String name) throws ReflectiveOperationException {
            Field field = owner.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field;
        }
    }
}
