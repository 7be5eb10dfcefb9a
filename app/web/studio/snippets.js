/** A request in the words of programs. */

import { address, BASE } from '../shared/api.js';
import { key } from '../shared/key.js';
import { short } from './draft.js';

const OPENAI_OWN = new Set(['prompt', 'model', 'num_images', 'height', 'width', 'output_format']);
const OPENAI_EXTRA = ['negative_prompt', 'num_inference_steps', 'guidance_scale', 'seed'];

/** The languages, and how each says a complete request. The key itself is never written. */
export const LANGUAGES = {
  curl: { label: 'curl', write: curl },
  python: { label: 'Python', write: python },
  openai: { label: 'OpenAI', write: openai },
};

function curl(request) {
  const body = JSON.stringify(short(request), null, 2).replaceAll("'", "'\\''");
  const lines = [
    `curl -s -X POST ${address('v1/generations').href}`,
    "-H 'Content-Type: application/json'",
    "-H 'Prefer: wait=60'",
    ...(key.value === null ? [] : ['-H "Authorization: Bearer $SAFELIGHT_API_KEY"']),
    `-d '${body}'`,
  ];
  return lines.join(' \\\n  ');
}

function python(request) {
  const { prompt, ...fields } = short(request);
  const named = Object.entries(fields).map(([name, value]) => `    ${name}=${literal(value)},`);
  const lines = [
    'from safelight import Safelight',
    '',
    `client = Safelight(${literal(BASE.href.replace(/\/$/, ''))})${key.value === null ? '' : '  # SAFELIGHT_API_KEY has the key'}`,
    'pictures = client.generate(',
    `    ${literal(prompt)},`,
    ...named,
    ')',
    'pictures.save("picture.png")',
  ];
  return lines.join('\n');
}

function openai(request) {
  const said = short(request);
  const unsaid = Object.keys(said).filter((field) => !OPENAI_OWN.has(field) && !OPENAI_EXTRA.includes(field));
  const edits = Boolean(said.image);
  const beyond = unsaid.filter((field) => !edits || field !== 'image');
  const extra = OPENAI_EXTRA.filter((field) => field in said && !(edits && field === 'guidance_scale'));
  const lines = [
    ...(beyond.length ? [`# OpenAI's API has no word for: ${beyond.join(', ')}.`] : []),
    'import base64, os, openai',
    '',
    `client = openai.OpenAI(base_url=${literal(address('v1').href)}, api_key=os.environ.get("SAFELIGHT_API_KEY", "unused"))`,
    `answer = client.images.${edits ? 'edit' : 'generate'}(`,
    ...(edits ? ['    image=open("input.png", "rb"),'] : []),
    `    prompt=${literal(said.prompt)},`,
    `    model=${literal(said.model)},`,
    `    size=${literal(`${said.width}x${said.height}`)},`,
    ...(said.num_images ? [`    n=${said.num_images},`] : []),
    `    extra_body=${literal(Object.fromEntries(extra.map((field) => [field, said[field]])))},`,
    ')',
    'for index, picture in enumerate(answer.data):',
    '    open(f"picture-{index}.png", "wb").write(base64.b64decode(picture.b64_json))',
  ];
  return lines.join('\n');
}

/** A value as Python writes it. */
export function literal(value) {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${literal(part)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
