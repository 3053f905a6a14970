// aedes and its parts are ES modules only; jest on Node 20 cannot require those, so they are compiled with the tests.
const esModules = 'aedes|aedes-packet|aedes-persistence|mqemitter|fastfall|fastparallel|hyperid';
/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: '<rootDir>/test/support/environment.cjs',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json' }],
    [`node_modules/(${esModules})/.+\\.m?js$`]: [
      'ts-jest',
      {
        tsconfig: { allowJs: true, module: 'commonjs', target: 'es2023', isolatedModules: true, esModuleInterop: true },
        diagnostics: false,
      },
    ],
  },
  transformIgnorePatterns: [`node_modules/(?!(${esModules})/)`],
  maxWorkers: 2, // most suites wait for processes and brokers; jest's own choice on two cores is one
  testTimeout: 30_000,
};
