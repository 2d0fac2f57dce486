// oidc-provider with one client for each signature algorithm. It prints its issuer, then reads one
// JSON object per line: {"client": "RS256", "sub": "alice"} sends a logout token, and with
// "audience": "xmpp" it issues a signed access token for this resource instead. The audience "opaque"
// stands for a token that is not signed, and "destroy" ends such a token.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const [logoutUri, secret] = process.argv.slice(2);
const keys = [
  ['rsa', { modulusLength: 2048 }, 'RS256'],
  ['ec', { namedCurve: 'P-256' }, 'ES256'],
].map(([kind, options, alg]) => {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg };
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    ttl: { AccessToken: 300 },
    clients: ['RS256', 'ES256', 'HS256'].map((alg) => ({
      client_id: alg,
      client_secret: secret,
      redirect_uris: ['https://xmpp.example.org/callback'],
      id_token_signed_response_alg: alg,
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: alg === 'ES256',
    })),
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
    features: { introspection: { enabled: true }, backchannelLogout: { enabled: true }, devInteractions: { enabled: false } },
    // The default dispatcher refuses private addresses, and the tests use no other ones.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer }));
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const { client, sub, audience, destroy } = JSON.parse(line);
    try {
      if (destroy) {
        await (await provider.AccessToken.find(destroy)).destroy();
        console.log(JSON.stringify({}));
        return;
      }
      if (audience) {
        const token = new provider.AccessToken({
          accountId: sub, client: await provider.Client.find(client), scope: 'login',
        });
        if (audience !== 'opaque') token.resourceServer = new provider.ResourceServer(`urn:${audience}`, {
          audience, scope: 'login', accessTokenFormat: 'jwt', jwt: { sign: { alg: client } },
        });
        console.log(JSON.stringify({ token: await token.save() }));
        return;
      }
      await (await provider.Client.find(client)).backchannelLogout(sub, 'a-session');
      console.log(JSON.stringify({ error: null }));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message }));
    }
  }).on('close', () => process.exit());
});
