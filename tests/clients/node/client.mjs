// What a program with @kubernetes/client-node does, told as one JSON object a line. Usage: node client.mjs PART ARGUMENT...

import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

const tell = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);

// An informer on the ConfigMaps of a namespace: each change as it comes, until standard input ends.
async function inform(namespace) {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'seen=yes' });
  const informer = k8s.makeInformer(config, path, list, 'seen=yes');
  for (const verb of ['add', 'update', 'delete']) {
    informer.on(verb, (object) => tell({ verb, name: object.metadata.name, data: object.data ?? {} }));
  }
  informer.on('connect', () => tell({ verb: 'connect' }));
  informer.on('error', () => {
    tell({ verb: 'error' });
    setTimeout(() => informer.start(), 100);
  });
  await informer.start();
  tell({ verb: 'started', known: informer.list(namespace).map((object) => object.metadata.name) });
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

// Typed create, read, patch, list and delete of a Deployment.
async function write(namespace) {
  const labels = { app: 'typed' };
  const containers = [{ name: 'main', image: 'nginx' }];
  const template = { metadata: { labels }, spec: { containers } };
  const body = { metadata: { name: 'typed' }, spec: { replicas: 0, selector: { matchLabels: labels }, template } };
  const made = await apps.createNamespacedDeployment({ namespace, body });
  tell({ made: made.metadata.name, date: made.metadata.creationTimestamp instanceof Date });
  const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch);
  const change = { spec: { template: { spec: { containers: [{ name: 'main', env: [{ name: 'A', value: '1' }] }] } } } };
  const patched = await apps.patchNamespacedDeployment({ name: 'typed', namespace, body: change }, merge);
  const container = patched.spec.template.spec.containers[0];
  tell({ image: container.image, env: container.env.map((one) => `${one.name}=${one.value}`) });
  const operations = [{ op: 'replace', path: '/spec/paused', value: true }];
  const failed = await apps.patchNamespacedDeployment({ name: 'typed', namespace, body: operations }).catch((e) => e);
  tell({ refused: failed.code, reason: JSON.parse(failed.body).reason });
  const absent = await apps.readNamespacedDeployment({ name: 'absent', namespace }).catch((error) => error);
  tell({ refused: absent.code, reason: JSON.parse(absent.body).reason });
  await apps.deleteNamespacedDeployment({ name: 'typed', namespace });
  const left = await apps.listNamespacedDeployment({ namespace });
  tell({ left: left.items.map((object) => object.metadata.name) });
}

// A program in a container: what it prints, and how it ended.
async function execute(namespace, pod) {
  const [output, errors, input] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const collected = { output: '', errors: '' };
  output.on('data', (chunk) => (collected.output += chunk));
  errors.on('data', (chunk) => (collected.errors += chunk));
  const command = ['sh', '-c', 'read line; echo got $line; echo bad >&2; exit 5'];
  const ended = new Promise((resolve) => {
    new k8s.Exec(config).exec(namespace, pod, 'main', command, output, errors, input, false, resolve);
  });
  input.write('typed\n');
  const status = await ended;
  tell({ ...collected, status: status.status, code: status.details?.causes?.[0]?.message });
}

const [part, ...words] = process.argv.slice(2);
await { inform, write, execute }[part](...words);
if (part !== 'inform') {
  process.exit(0);
}
