using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Jose;
using Base64Url = System.Buffers.Text.Base64Url;

namespace Governor.Messaging.Tests.Sealing;

public sealed class SealingTests
{
    private static readonly SealingKeyPair Key = SealingKeyPair.Create();
    private static readonly Dictionary<string, object> NoHeader = new(StringComparer.Ordinal);

    private static readonly CredentialSecrets Orders = new("orders", "v-1", new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["token"] = "t0p \"s3cret\" é😀\n", ["empty"] = "",
    });

    private static readonly CredentialSecrets Logs = new("logs", "v-2", new Dictionary<string, string>(StringComparer.Ordinal));

    [Fact]
    public void Given_sealed_secrets_When_their_owner_opens_them_Then_they_are_what_they_were()
    {
        var opened = RuntimeSecrets.Open(Seal(), "eu-1", 6, Key)!;
        Assert.Equal(["orders", "logs"], opened.Select(secret => secret.Name));
        Assert.Equal(["v-1", "v-2"], opened.Select(secret => secret.VersionId));
        Assert.Equal(Orders.Entries, opened[0].Entries);
        Assert.Empty(opened[1].Entries);
        Assert.Empty(RuntimeSecrets.Open(RuntimeSecrets.Seal([], "eu-1", 6, Key.PublicKey), "eu-1", 6, Key)!);
    }

    [Fact]
    public void Given_the_same_secrets_When_sealed_twice_Then_no_one_can_tell()
    {
        Assert.NotEqual(Seal().Split('.')[3], Seal().Split('.')[3]);
        Assert.DoesNotContain("s3cret", Orders.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Given_sealed_secrets_When_another_key_another_runtime_or_another_generation_is_tried_Then_they_stay_shut()
    {
        Assert.Null(RuntimeSecrets.Open(Seal(), "eu-1", 6, SealingKeyPair.Create()));
        Assert.Null(RuntimeSecrets.Open(Seal(), "eu-2", 6, Key));
        Assert.Null(RuntimeSecrets.Open(Seal(), "eu-1", 7, Key));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Given_sealed_secrets_When_a_part_of_the_text_is_changed_Then_they_stay_shut(int part)
    {
        var parts = Seal().Split('.');
        for (var at = 0; at < parts[part].Length; at += 7)
        {
            var changed = parts.ToArray();
            changed[part] = parts[part][..at] + (parts[part][at] == 'A' ? 'B' : 'A') + parts[part][(at + 1)..];
            // The last character of a part may hold bits that mean nothing.
            if (at < parts[part].Length - 1)
                Assert.Null(RuntimeSecrets.Open(string.Join('.', changed), "eu-1", 6, Key));
        }
    }

    [Fact]
    public void Given_a_header_that_names_another_generation_When_opened_Then_it_stays_shut_because_it_is_authenticated()
    {
        var parts = Seal().Split('.');
        var header = JsonNode.Parse(Base64Url.DecodeFromChars(parts[0]))!;
        header["generation"] = 7;
        parts[0] = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString()));
        Assert.Null(RuntimeSecrets.Open(string.Join('.', parts), "eu-1", 7, Key));
    }

    [Theory]
    [InlineData("alg", "dir")]
    [InlineData("alg", "ECDH-ES+A256KW")]
    [InlineData("alg", "none")]
    [InlineData("enc", "A128GCM")]
    [InlineData("zip", "DEF")]
    [InlineData("crit", "exp")]
    public void Given_another_algorithm_in_the_header_When_opened_Then_it_is_not_even_tried(string name, string value)
    {
        var parts = Seal().Split('.');
        var header = JsonNode.Parse(Base64Url.DecodeFromChars(parts[0]))!;
        header[name] = value;
        parts[0] = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString()));
        Assert.Null(SealedBox.Header(string.Join('.', parts)));
        Assert.Null(SealedBox.Open(string.Join('.', parts), Key));
    }

    [Fact]
    public void Given_a_genuine_box_of_another_algorithm_When_opened_Then_it_stays_shut()
    {
        var jwk = new Jwk("P-256", Key.PublicKey.X, Key.PublicKey.Y, d: null);
        foreach (var (algorithm, encryption) in new[] { (JweAlgorithm.ECDH_ES_A256KW, JweEncryption.A256GCM), (JweAlgorithm.ECDH_ES, JweEncryption.A128GCM) })
            Assert.Null(SealedBox.Open(JWT.EncodeBytes([1, 2, 3], jwk, algorithm, encryption), Key));
        Assert.Null(SealedBox.Open(JWT.EncodeBytes([1, 2, 3], jwk, JweAlgorithm.ECDH_ES, JweEncryption.A256GCM, JweCompression.DEF), Key));
    }

    [Theory]
    [InlineData("")]
    [InlineData("....")]
    [InlineData("a.b.c.d.e")]
    [InlineData("W10....")] // []
    [InlineData("bnVsbA....")] // null
    [InlineData("e30....")] // {}
    [InlineData("not sealed at all")]
    [InlineData("é.é.é.é.é")]
    public void Given_garbage_When_opened_Then_it_stays_shut(string text)
    {
        Assert.Null(SealedBox.Header(text));
        Assert.Null(SealedBox.Open(text, Key));
        Assert.Null(RuntimeSecrets.Open(text, "eu-1", 6, Key));
    }

    [Theory]
    [InlineData("""{"epk":{}}""")]
    [InlineData("""{"epk":null}""")]
    [InlineData("""{}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-521","x":"AAAA","y":"AAAA"}}""")]
    [InlineData("""{"epk":{"kty":"oct","k":"AAAA"}}""")]
    [InlineData("""{"epk":"text"}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-256","x":"AAAA"}}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-256","x":"!","y":"!"}}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-256","x":"","y":""}}""")]
    [InlineData("""{"epk":{"kty":"EC","crv":"P-256","x":1,"y":null}}""")]
    public void Given_an_ephemeral_key_that_is_none_When_opened_Then_it_stays_shut(string changes)
    {
        var parts = Seal().Split('.');
        var header = JsonNode.Parse("""{"alg":"ECDH-ES","enc":"A256GCM"}""")!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject())
            header[name] = value?.DeepClone();
        parts[0] = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString()));
        Assert.Null(SealedBox.Open(string.Join('.', parts), Key));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[null]")]
    [InlineData("""[{"name":"orders"}]""")]
    [InlineData("""[{"name":null,"versionId":"v","entries":{}}]""")]
    [InlineData("""[{"name":"orders","versionId":"v","entries":null}]""")]
    [InlineData("""[{"name":"orders","versionId":"v","entries":{"token":null}}]""")]
    [InlineData("""[{"name":"orders","versionId":"v","entries":{"token":1}}]""")]
    public void Given_a_plaintext_that_is_no_list_of_secrets_When_opened_Then_it_counts_as_shut(string plaintext)
    {
        var text = SealedBox.Seal(Encoding.UTF8.GetBytes(plaintext), Key.PublicKey,
            new Dictionary<string, object>(StringComparer.Ordinal) { ["sub"] = "eu-1", ["generation"] = 6L });
        Assert.NotNull(SealedBox.Open(text, Key));
        Assert.Null(RuntimeSecrets.Open(text, "eu-1", 6, Key));
    }

    [Fact]
    public void Given_a_sealed_box_When_its_header_is_read_Then_it_names_the_key_and_what_the_sealer_said()
    {
        var text = SealedBox.Seal([], Key.PublicKey, new Dictionary<string, object>(StringComparer.Ordinal) { ["sub"] = "default/orders/1" });
        var header = SealedBox.Header(text)!.Value;
        Assert.Equal(Key.PublicKey.Kid, header.GetProperty("kid").GetString());
        Assert.Equal("default/orders/1", header.GetProperty("sub").GetString());
        Assert.Empty(SealedBox.Open(text, Key)!.Plaintext);
    }

    [Fact]
    public void Given_a_key_pair_When_it_is_written_and_read_Then_it_is_the_same()
    {
        var again = SealingKeyPair.FromPem(Key.ToPem());
        Assert.Equal(Key.PublicKey, again.PublicKey);
        Assert.Equal("x"u8.ToArray(), SealedBox.Open(SealedBox.Seal("x"u8.ToArray(), Key.PublicKey, NoHeader), again)?.Plaintext);
    }

    [Fact]
    public void Given_a_PEM_of_something_else_When_read_Then_it_is_refused()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Throws<CryptographicException>(() => SealingKeyPair.FromPem(other.ExportPkcs8PrivateKeyPem()));
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.ThrowsAny<CryptographicException>(() => SealingKeyPair.FromPem(pair.ExportSubjectPublicKeyInfoPem()));
        Assert.Throws<ArgumentException>(() => SealingKeyPair.FromPem("not a key"));
    }

    [Fact]
    public void Given_a_known_key_When_it_is_checked_Then_its_id_must_be_its_thumbprint_of_RFC_7638()
    {
        // The key of RFC 7517, appendix A.1; its canonical JSON was hashed by another program.
        var key = new AgentPublicKey("cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s", "EC", "P-256",
            "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        Assert.True(SealingKeyPair.IsValid(key));
        Assert.False(SealingKeyPair.IsValid(key with { Kid = Key.PublicKey.Kid }));
        Assert.False(SealingKeyPair.IsValid(key with { Crv = "P-384" }));
        Assert.False(SealingKeyPair.IsValid(key with { Kty = "RSA" }));
        Assert.False(SealingKeyPair.IsValid(new AgentPublicKey(Thumbprint("AAAA", "AAAA"), "EC", "P-256", "AAAA", "AAAA")));
        Assert.False(SealingKeyPair.IsValid(new AgentPublicKey(Thumbprint("!", "!"), "EC", "P-256", "!", "!")));
        Assert.False(SealingKeyPair.IsValid(new AgentPublicKey(Thumbprint("", ""), "EC", "P-256", "", "")));
    }

    private static string Seal() => RuntimeSecrets.Seal([Orders, Logs], "eu-1", 6, Key.PublicKey);

    private static string Thumbprint(string x, string y) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""")));
}
