/** @jest-environment ./test/support/fake_spinnaker.cjs */
import { cameraContract } from '../contract/camera';
import { built, reset, spinnaker } from './fake';
import { begin, clean } from './used';

begin();

if (built) {
  describe('contract', () => {
    beforeEach(async () => reset());
    afterEach(clean);
    cameraContract('Spinnaker on the fake', {
      make: () => spinnaker(),
      slots: 6,
      simulated: false,
    });
  });
}
