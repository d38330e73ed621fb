/** Prints what the page makes of control_examples.js: node read_control.mjs PAGE-FOLDER */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { FROM_GATEWAY, FROM_PAGE, NOT_FROM_GATEWAY } from './control_examples.js';

const { readGatewayMessage } = await import(pathToFileURL(join(process.argv[2], 'net/messages.js')).href);

const fromGateway = [...FROM_GATEWAY.map((message) => JSON.stringify(message)), ...NOT_FROM_GATEWAY];
const read = fromGateway.map((text) => [text, readGatewayMessage(text)]);
process.stdout.write(JSON.stringify({ fromPage: FROM_PAGE.map((message) => JSON.stringify(message)), read }));
