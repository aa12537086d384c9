'use strict';

// Sends messages to the Director as any AMQP client can, and prints the answers.
//
//   node client.js ask     stdin: {"url", "messages": [{"exchange", "body", "properties", "times"?, "answers"?}]}
//   node client.js flood   stdin: {"url", "exchange", "messages": [as above], "total", "good": {"body", "every"}}
//
// "body" is text, so that it can be wrong. A message may have "seal": {"keyUrl", "entries", "subject", "lifetime"?}: then
// "{sealedEntries}" in its body becomes the entries, sealed to the key that is there, for "lifetime" seconds. ask waits for "answers"
// answers to each message (default: one for each time that it is sent), and prints them: [[{"type", "contentType", "body"}]]. In flood,
// "{n}" in the good body becomes its number; it waits for the answers of the good ones, each counted once however often it comes, and
// prints {"accepted", "rejected"}.

const amqp = require('amqplib');
const jose = require('jose');

async function main(mode) {
  const input = JSON.parse(await text(process.stdin));
  const connection = await amqp.connect(input.url);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const message of input.messages) {
    if (message.seal) message.body = message.body.replace('{sealedEntries}', await seal(message.seal));
  }
  const result = mode === 'ask' ? await ask(channel, queue, input) : await flood(channel, queue, input);
  process.stdout.write(JSON.stringify(result));
  await connection.close();
}

async function ask(channel, replyTo, { messages }) {
  const answers = messages.map(() => []);
  const wanted = messages.map((message) => message.answers ?? message.times ?? 1);
  const all = new Promise((resolve) => {
    const look = () => answers.every((list, i) => list.length >= wanted[i]) && resolve();
    channel.consume(replyTo, (answer) => {
      answers[Number(answer.properties.correlationId)].push({
        type: answer.properties.type,
        contentType: answer.properties.contentType,
        body: JSON.parse(answer.content.toString()),
      });
      look();
    }, { noAck: true }).then(look);
  });
  messages.forEach((message, i) => {
    for (let n = 0; n < (message.times ?? 1); n++) send(channel, message, { replyTo, correlationId: String(i) });
  });
  await channel.waitForConfirms();
  await all;
  return answers;
}

async function flood(channel, replyTo, { exchange, messages, total, good }) {
  const result = { accepted: 0, rejected: 0 };
  const answered = new Set();
  const wanted = Math.floor(total / good.every);
  const all = new Promise((resolve) => {
    channel.consume(replyTo, (answer) => {
      const { commandId } = JSON.parse(answer.content.toString());
      if (answer.properties.correlationId !== 'good' || answered.has(commandId)) return;
      answered.add(commandId);
      result[answer.properties.type === 'CommandAccepted' ? 'accepted' : 'rejected']++;
      if (answered.size === wanted) resolve();
    }, { noAck: true });
  });
  for (let n = 1; n <= total; n++) {
    if (n % good.every === 0) {
      const number = String(n / good.every);
      send(channel, { exchange, body: good.body.replaceAll('{n}', number), properties: { contentType: 'application/json' } },
        { replyTo, correlationId: 'good' });
    } else {
      send(channel, { exchange, ...messages[n % messages.length] }, { replyTo, correlationId: 'bad' });
    }
    if (n % 500 === 0) await channel.waitForConfirms();
  }
  await channel.waitForConfirms();
  await all;
  return result;
}

async function seal({ keyUrl, entries, subject, lifetime }) {
  const key = await (await fetch(keyUrl)).json();
  return new jose.CompactEncrypt(new TextEncoder().encode(JSON.stringify(entries)))
    .setProtectedHeader({
      alg: 'ECDH-ES', enc: 'A256GCM', kid: key.kid, exp: Math.floor(Date.now() / 1000) + (lifetime ?? 600), sub: subject,
    })
    .encrypt(await jose.importJWK(key, 'ECDH-ES'));
}

function send(channel, { exchange, body, properties }, answering) {
  channel.publish(exchange, '', Buffer.from(body), { persistent: true, ...answering, ...properties });
}

async function text(stream) {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
