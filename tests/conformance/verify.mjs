// Verifies credentials with the libraries of Digital Bazaar, which share no code with Laurel.
//
// Reads JSON from standard input: `documents` by URL, and `checks` with a credential, or the path of a baked PNG or SVG.
// Nothing else is loaded: a URL that isn't in `documents` fails the check. Writes one result per check.

import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {verifyCredential} from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {readFileSync} from 'node:fs';
import {text} from 'node:stream/consumers';

const {documents, checks} = JSON.parse(await text(process.stdin));

// Any network access is a failure.
globalThis.fetch = () => { throw new Error('a request to the network'); };

const loaderFor = (own) => async (url) => {
  const known = {...documents, ...own};
  if (known[url]) return {contextUrl: null, documentUrl: url, document: known[url]};
  const [did] = url.split('#');
  const method = known[did]?.verificationMethod?.find((one) => one.id === url);
  if (method) {
    const document = {'@context': 'https://w3id.org/security/multikey/v1', ...method};
    return {contextUrl: null, documentUrl: url, document};
  }
  throw new Error(`not among the documents: ${url}`);
};

// The chunks of a PNG: length, type, data, checksum (PNG specification, 5.3).
function fromPng(file) {
  for (let place = 8; place < file.length;) {
    const length = file.readUInt32BE(place);
    const type = file.toString('latin1', place + 4, place + 8);
    const data = file.subarray(place + 8, place + 8 + length);
    if (type === 'iTXt' && data.toString('latin1', 0, 20) === 'openbadgecredential\0') {
      if (data[20] !== 0) throw new Error('the chunk is compressed');
      const language = data.indexOf(0, 22);
      return data.toString('utf8', data.indexOf(0, language + 1) + 1);
    }
    place += 12 + length;
  }
  throw new Error('no chunk with a credential');
}

function fromSvg(file) {
  const svg = file.toString('utf8');
  const element = /<openbadges:credential xmlns:openbadges="https:\/\/purl\.imsglobal\.org\/ob\/v3p0"><!\[CDATA\[(.*?)\]\]><\/openbadges:credential>\s*<\/svg>/s;
  const found = element.exec(svg);
  if (!found) throw new Error('no element with a credential');
  return found[1];
}

function credentialOf({credential, png, svg}) {
  if (png) return JSON.parse(fromPng(readFileSync(png)));
  if (svg) return JSON.parse(fromSvg(readFileSync(svg)));
  return credential;
}

const messages = (error) => [error?.message, ...(error?.errors ?? []).flatMap(messages)].filter(Boolean);

async function verify(check) {
  const suite = new DataIntegrityProof({cryptosuite});
  const documentLoader = loaderFor(check.documents);
  try {
    const result = await verifyCredential({
      credential: credentialOf(check),
      suite,
      documentLoader,
      checkStatus: (options) => checkStatus({...options, verifyBitstringStatusListCredential: true}),
    });
    const revoked = result.statusResult?.results?.some((one) => one.status) ?? false;
    return {verified: result.verified, revoked, why: messages(result.error).concat(messages(result.statusResult?.error))};
  } catch (error) {
    return {verified: false, revoked: false, why: messages(error)};
  }
}

const results = [];
for (const check of checks) results.push(await verify(check));
console.log(JSON.stringify(results));
