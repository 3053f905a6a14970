import { VerdictdError } from '../../src/errors';
import { climb, NoRung, type Rung, type Rungs } from '../../src/inspect/ladder';

interface Fake {
  provider: Rung;
  released: boolean;
}

const golden = { score: 1, tolerance: 0.01 };

/** onnxruntime as told: what each provider does when created, and what it scores. */
function rungs(
  behaviour: Partial<Record<Rung, { create?: Error; score?: number; prove?: Error }>>,
  supported: string[] = Object.keys(behaviour),
) {
  const made: Fake[] = [];
  const seam: Rungs<Fake> = {
    supported,
    create: (provider) => {
      const error = behaviour[provider]?.create;
      if (error !== undefined) return Promise.reject(error);
      const session = { provider, released: false };
      made.push(session);
      return Promise.resolve(session);
    },
    prove: ({ provider }) => {
      const { prove, score = 1 } = behaviour[provider] ?? {};
      return prove === undefined ? Promise.resolve(score) : Promise.reject(prove);
    },
    release: (session) => {
      session.released = true;
      return Promise.resolve();
    },
  };
  return { seam, made };
}

const noRung = async (promise: Promise<unknown>): Promise<NoRung> => {
  const thrown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof NoRung)) throw new Error(`expected NoRung, got ${String(thrown)}`);
  return thrown;
};

test('a name that is not compiled in is refused and said, never dropped', async () => {
  const { seam, made } = rungs({ cpu: {} });
  const taken = await climb(['tensorrt', 'cuda', 'cpu'], golden, seam);
  expect(taken.provider).toBe('cpu');
  expect(taken.refusals.map((refusal) => refusal.provider)).toEqual(['tensorrt', 'cuda']);
  for (const refusal of taken.refusals) expect(refusal.reason).toBe('not compiled into this onnxruntime (it has cpu)');
  expect(made).toHaveLength(1);
});

test('webgpu is refused even where onnxruntime has it', async () => {
  const { seam, made } = rungs({}, ['webgpu', 'cpu']);
  const { refusals } = await noRung(climb(['webgpu'], golden, seam));
  expect(refusals).toEqual([{ provider: 'webgpu', reason: 'not a provider that verdictd uses; expected tensorrt, cuda, cpu' }]);
  expect(made).toHaveLength(0);
});

test('no rung: every one is named with its reason, every session released', async () => {
  const { seam, made } = rungs({
    tensorrt: { create: new Error('Failed to load shared library') },
    cuda: { prove: new Error('no kernel image') },
    cpu: { score: 1.02 },
  });
  const error = await noRung(climb(['tensorrt', 'cuda', 'cpu'], golden, seam));
  expect(error.refusals).toEqual([
    { provider: 'tensorrt', reason: 'Failed to load shared library' },
    { provider: 'cuda', reason: 'no kernel image' },
    { provider: 'cpu', reason: 'the golden image scored 1.02; expected 1 within 0.01' },
  ]);
  expect(error.message).toContain('tensorrt: Failed to load shared library; cuda: no kernel image; cpu: the golden');
  expect(made.map((session) => session.released)).toEqual([true, true]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('a golden score of %p is refused', async (score) => {
  const { seam } = rungs({ cpu: { score } });
  const { refusals } = await noRung(climb(['cpu'], golden, seam));
  expect(refusals[0]?.reason).toContain(`scored ${score}`);
});

test('an empty ladder is an error, not a default', async () => {
  const { refusals } = await noRung(climb([], golden, rungs({ cpu: {} }).seam));
  expect(refusals).toEqual([{ provider: '(none)', reason: 'the list of providers is empty' }]);
});

test('a bundle that is not what its manifest says ends the climb', async () => {
  const refused = new VerdictdError('BUNDLE_REFUSED', 'score is missing');
  const { seam, made } = rungs({ cuda: { create: refused }, cpu: {} });
  await expect(climb(['cuda', 'cpu'], golden, seam)).rejects.toBe(refused);
  expect(made).toHaveLength(0);
});

test('the first rung that holds is taken; those below are not tried', async () => {
  const { seam, made } = rungs({ tensorrt: { create: new Error('no') }, cuda: { score: 1.005 }, cpu: {} });
  const taken = await climb(['tensorrt', 'cuda', 'cuda', 'cpu'], golden, seam);
  expect(taken).toMatchObject({ provider: 'cuda', golden: 1.005, refusals: [{ provider: 'tensorrt', reason: 'no' }] });
  expect(made).toEqual([{ provider: 'cuda', released: false }]);
});
