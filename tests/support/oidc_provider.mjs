// Pro Santé Connect and FranceConnect, played by npm oidc-provider, one port each. Started by oidc_provider.py, told by
// a JSON file what it needs; says the ports it took. POST /control changes who signs in and which lie
// the provider tells: it signs its lies with its own keys, so that only the check they are aimed at can find them.

import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";
import { CompactSign, decodeJwt, decodeProtectedHeader, importJWK } from "jose";

const CLAIMS = {
  psc: {
    openid: ["sub"],
    scope_all: ["SubjectNameID", "preferred_username", "given_name", "family_name", "SubjectRole", "SubjectOrganization", "SubjectRefPro"],
  },
  franceconnect: Object.fromEntries(
    ["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry"].map((name) => [name, [name]]),
  ),
};
const KEYS = { psc: ["RS256", "rsa", { modulusLength: 2048 }], franceconnect: ["ES256", "ec", { namedCurve: "P-256" }] };
const ASKED = { psc: "/.well-known/wallet-openid-configuration", franceconnect: "/.well-known/openid-configuration" };

function key(name, kid) {
  const [alg, kind, options] = KEYS[name];
  return { ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const sign = async (claims, header, jwk) =>
  new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(await importJWK(jwk, header.alg));

/** The id_token with the lie of the moment. */
async function lie(fault, token, keys) {
  if (!fault) return token;
  const [claims, header, now] = [decodeJwt(token), decodeProtectedHeader(token), Math.floor(Date.now() / 1000)];
  const changes = {
    nonce: { nonce: "of-another-request" }, no_nonce: { nonce: undefined }, audience: { aud: "somebody-else" },
    two_audiences: { aud: [claims.aud, "somebody-else"] }, azp: { azp: "somebody-else" },
    issuer: { iss: "https://another.example" }, acr: { acr: "eidas0" }, no_acr: { acr: undefined },
    expired: { exp: now - 120 }, old: { iat: now - 3600 }, future: { iat: now + 3600 }, no_exp: { exp: undefined },
    at_hash: { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }, no_sub: { sub: undefined }, auth_time: { auth_time: now - 7200 },
  }[fault];
  if (changes) return sign({ ...claims, ...changes }, header, keys.own);
  if (fault === "none") return `${base64({ alg: "none", kid: header.kid })}.${base64(claims)}.`;
  if (fault === "hs256") {
    const input = `${base64({ alg: "HS256", kid: header.kid })}.${base64(claims)}`;
    const secret = createPublicKey({ key: keys.own, format: "jwk" }).export({ type: "spki", format: "pem" });
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  }
  if (fault === "forged") return sign(claims, header, keys.stranger);
  if (fault === "unknown_kid") return sign(claims, { ...header, kid: "nobodys" }, keys.stranger);
  if (fault === "rotated") return sign(claims, { ...header, kid: "next" }, keys.next);
  if (fault === "tampered") return token.replace(/\.[^.]+\./, `.${base64({ ...claims, sub: "somebody-else" })}.`);
  return token;
}

async function open(name, told) {
  const state = { account: "", claims: {}, acr: "eidas1", error: "", fault: "", jwks: 0 };
  const keys = { own: key(name, "own"), next: key(name, "next"), stranger: key(name, "own") };
  const tls = { key: readFileSync(told.key), cert: readFileSync(told.certificate), ca: readFileSync(told.ca) };
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address();
  const provider = new Provider(`https://localhost:${port}`, {
    clients: told.clients[name],
    jwks: { keys: [keys.own] },
    scopes: ["openid", ...Object.keys(CLAIMS[name])],
    claims: { acr: null, auth_time: null, ...CLAIMS[name] },
    acrValues: ["eidas1", "eidas2", "eidas3"],
    pkce: { required: () => true },
    cookies: { keys: ["of the tests"] },
    clientBasedCORS: () => false,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...state.claims }) }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(" "));
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false }, jwtUserinfo: { enabled: true }, encryption: { enabled: true },
      rpInitiatedLogout: { enabled: true }, introspection: { enabled: true },
      mTLS: {
        enabled: true, tlsClientAuth: true,
        getCertificate: (ctx) => ctx.socket.getPeerCertificate()?.raw && "given",
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, _, expected) => ctx.socket.getPeerCertificate().subjectaltname.split(", ").includes(`DNS:${expected}`),
      },
    },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"],
    enabledJWA: { clientAuthSigningAlgValues: ["RS256", "ES256"] },
  });
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === "/token" && ctx.status === 200) ctx.body = { ...ctx.body, id_token: await lie(state.fault, ctx.body.id_token, keys) };
    if (ctx.path === "/me" && state.fault === "userinfo_sub") ctx.body = { ...ctx.body, sub: "somebody-else" };
    if (ctx.path === "/jwks" && state.fault === "rotated") ctx.body = { keys: [...ctx.body.keys, createPublicKey({ key: keys.next, format: "jwk" }).export({ format: "jwk" })].map((each, index) => index ? { ...each, kid: "next" } : each) };
    if (ctx.path === ASKED.franceconnect && state.fault === "other_issuer") ctx.body = { ...ctx.body, issuer: "https://another.example" };
  });
  if (process.env.PLI_SAY) provider.on("grant.error", (_, error) => console.log(error.error_description, error.error_detail, String(error.cause)));
  const answer = provider.callback();

  async function interact(request, response) {
    await provider.interactionDetails(request, response);
    const result = state.error
      ? { error: state.error, error_description: "<b>words of the provider</b>" }
      : { login: { accountId: state.account, acr: state.acr, amr: ["pin"] } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  async function control(request, response) {
    let body = "";
    for await (const piece of request) body += piece;
    Object.assign(state, JSON.parse(body));
    response.end(JSON.stringify(state));
  }

  server.on("request", (request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/control") return control(request, response);
    if (state.fault === "down") return response.writeHead(503).end();
    if (state.fault === "silent") return undefined;
    if (state.fault === "elsewhere" && path === "/token") return response.writeHead(307, { location: `https://localhost:${port}/trap` }).end();
    if (path === "/trap") { state.account = "trapped"; return response.end("{}"); }
    if (path === "/jwks") state.jwks += 1;
    if (path.startsWith("/interaction/")) return interact(request, response);
    if (path === ASKED[name]) request.url = ASKED.franceconnect;
    else if (path === ASKED.franceconnect) return response.writeHead(404).end();
    return answer(request, response);
  });
  return port;
}

const told = JSON.parse(readFileSync(process.argv[2]));
const ports = {};
for (const name of ["psc", "franceconnect"]) ports[name] = await open(name, told);
process.stdout.write(`open ${JSON.stringify(ports)}\n`);
