using System.Text.Json;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class PlaintextSecretsTests
{
    [Theory]
    [InlineData("password")]
    [InlineData("redisPassword")]
    [InlineData("REDIS_PASSWORD")]
    [InlineData("sasl.password")]
    [InlineData("passwd")]
    [InlineData("secret")]
    [InlineData("oidcClientSecret")]
    [InlineData("token")]
    [InlineData("sessionToken")]
    [InlineData("apiKey")]
    [InlineData("api-key")]
    [InlineData("x-api-key")]
    [InlineData("accessKey")]
    [InlineData("SecretAccessKey")]
    [InlineData("accountKey")]
    [InlineData("private_key")]
    [InlineData("passphrase")]
    public void Given_a_name_that_plainly_names_a_secret_When_it_has_a_value_Then_it_is_one(string name)
    {
        Assert.True(IsSecret(name, "\"x\""));
        Assert.True(IsSecret(name, "12345"));
        Assert.True(IsSecret(name, """["x"]"""));
    }

    [Theory]
    [InlineData("secretName")]
    [InlineData("secretStore")]
    [InlineData("tokenType")]
    [InlineData("tokenUrl")]
    [InlineData("passwordless")]
    [InlineData("passwordFile")]
    [InlineData("accessKeyId")]
    [InlineData("sharedAccessKeyName")]
    [InlineData("privateKeyPath")]
    [InlineData("maxTokens")]
    [InlineData("partitionKey")]
    [InlineData("publicKey")]
    [InlineData("key")]
    [InlineData("keyPrefix")]
    [InlineData("redisHost")]
    [InlineData("url")]
    public void Given_a_name_that_only_tells_about_a_secret_When_it_has_a_value_Then_it_is_none(string name) =>
        Assert.False(IsSecret(name, "\"x\""));

    [Theory]
    [InlineData("\"\"")]
    [InlineData("\" \"")]
    [InlineData("true")]
    [InlineData("\"false\"")]
    [InlineData("null")]
    [InlineData("{}")]
    public void Given_a_name_of_a_secret_When_its_value_cannot_be_one_Then_it_is_none(string value) =>
        Assert.False(IsSecret("usePassword", value));

    [Theory]
    [InlineData("connectionString", "Server=db;Database=d;User Id=u;Password=x;")]
    [InlineData("connection_string", "host=db user=u password = x")]
    [InlineData("connectionString", "AccountName=a;AccountKey=eA==")]
    [InlineData("connectionString", "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=x")]
    [InlineData("connectionString", "user:x@tcp(db:3306)/d")]
    [InlineData("host", "amqp://user:x@broker:5672/vhost")]
    [InlineData("url", "https://user:x@example.com")]
    [InlineData("clientCert", "-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----")]
    public void Given_a_text_with_a_password_in_it_When_judged_Then_it_is_a_secret(string name, string text) =>
        Assert.True(IsSecret(name, $"\"{text}\""));

    [Theory]
    [InlineData("connectionString", "host=db user=u sslmode=require")]
    [InlineData("connectionString", "Server=db;User Id=u;Password=;")]
    [InlineData("url", "https://example.com:8443/path/@scope")]
    [InlineData("url", "https://user@example.com")]
    [InlineData("brokers", "kafka-0:9092,kafka-1:9092")]
    [InlineData("clientCert", "-----BEGIN CERTIFICATE-----")]
    [InlineData("note", "password=x is no way to write it")]
    public void Given_a_text_without_a_password_When_judged_Then_it_is_no_secret(string name, string text) =>
        Assert.False(IsSecret(name, $"\"{text}\""));

    [Theory]
    [InlineData("""{"auth": {"user": "u", "password": "x"}}""", true)]
    [InlineData("""[{"url": "amqp://u:x@h"}]""", true)]
    [InlineData("""{"auth": {"user": "u", "passwordFile": "x"}}""", false)]
    public void Given_a_nested_value_When_judged_Then_its_fields_are_too(string value, bool expected) =>
        Assert.Equal(expected, IsSecret("config", value));

    private static bool IsSecret(string name, string json)
    {
        using var document = JsonDocument.Parse(json);
        return PlaintextSecrets.IsIn(name, document.RootElement);
    }
}
