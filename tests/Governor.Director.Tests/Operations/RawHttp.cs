using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Governor.Director.Tests.Operations;

/// <summary>An answer as it came over the wire.</summary>
internal sealed record RawAnswer(int Status, IReadOnlyDictionary<string, string> Headers, string Body);

/// <summary>HTTP/1.1 byte by byte: sends what no proper client would.</summary>
internal static class RawHttp
{
    /// <summary>Sends bytes on a connection of their own, and reads until the server closes it; null if there is no answer.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="request">What.</param>
    /// <param name="hangUp">Whether to end the connection's sending side then, which the server takes for a client that is gone.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async Task<RawAnswer?> SendAsync(
        Uri address, ReadOnlyMemory<byte> request, bool hangUp, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port, cancellationToken);
        var sending = SendAllAsync(socket, request, hangUp, cancellationToken);
        using var received = new MemoryStream();
        var buffer = new byte[64 * 1024];
        try
        {
            int read;
            while ((read = await socket.ReceiveAsync(buffer, cancellationToken)) > 0)
                received.Write(buffer, 0, read);
        }
        catch (SocketException)
        {
            // The server has closed without reading all: what it said before counts.
        }

        await sending;
        var text = Encoding.Latin1.GetString(received.ToArray());
        while (text.StartsWith("HTTP/1.1 100 ", StringComparison.Ordinal))
            text = text[(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]; // the answer is still to come
        return text.Length == 0 ? null : Parse(text);
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> request, bool hangUp, CancellationToken cancellationToken)
    {
        try
        {
            while (!request.IsEmpty)
                request = request[await socket.SendAsync(request, cancellationToken)..];
            if (hangUp)
                socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The server has refused before the end.
        }
    }

    private static RawAnswer Parse(string text)
    {
        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var head = text[..end].Split("\r\n");
        var headers = head.Skip(1).Select(line => line.Split(": ", 2))
            .ToLookup(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(h => h.Key, h => string.Join(", ", h), StringComparer.OrdinalIgnoreCase);
        var body = text[(end + 4)..];
        return new RawAnswer(
            int.Parse(head[0].Split(' ')[1], CultureInfo.InvariantCulture), headers,
            headers.GetValueOrDefault("Transfer-Encoding") == "chunked" ? Join(body) : body);
    }

    private static string Join(string chunked)
    {
        var body = new StringBuilder();
        for (var at = 0; at < chunked.Length;)
        {
            var line = chunked.IndexOf("\r\n", at, StringComparison.Ordinal);
            var size = int.Parse(chunked.AsSpan(at, line - at), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            body.Append(chunked, line + 2, size);
            at = line + 2 + size + 2;
        }

        return body.ToString();
    }
}
